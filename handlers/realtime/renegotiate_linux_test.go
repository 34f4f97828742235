package realtime_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// prf is the pseudorandom function of TLS 1.2: RFC 5246, 5.
func prf(secret []byte, label string, seed []byte, length int) (out []byte) {
	sum := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(bytes.Join(parts, nil))
		return h.Sum(nil)
	}
	seed = append([]byte(label), seed...)
	for a := sum(seed); len(out) < length; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:length]
}

// TestTLSRenegotiation: a client of TLS 1.2 that begins a second handshake is cut off.
func TestTLSRenegotiation(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.Shards, s.TLS, s.NoHTTP2 = 1, true, true })
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var keys bytes.Buffer
	raw := &recorder{Conn: c}
	client := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, KeyLogWriter: &keys,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
	if _, err := io.WriteString(client, gatewaytest.Get(gatewaytest.KeyAll, "")); err != nil {
		t.Fatal(err)
	}
	g.AwaitSubscribers(t, 1)
	logged := strings.Fields(keys.String()) // CLIENT_RANDOM, the random, the master secret
	random, err := hex.DecodeString(logged[1])
	if err != nil {
		t.Fatal(err)
	}
	master, err := hex.DecodeString(logged[2])
	if err != nil {
		t.Fatal(err)
	}
	const hello = 5 + 4 + 2 // the heads of the record and of the message, and the version, before the server's random
	block := prf(master, "key expansion", append(bytes.Clone(raw.got[hello:hello+32]), random...), 2*16+2*4)
	cipherBlock, err := aes.NewCipher(block[:16])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(cipherBlock)
	if err != nil {
		t.Fatal(err)
	}
	message := raw.first[5:]                        // its ClientHello again
	number := binary.BigEndian.AppendUint64(nil, 2) // behind Finished and the request
	length := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	data := append(append(bytes.Clone(number), handshakeRecord, 3, 3), length(len(message))...)
	sealed := aead.Seal(bytes.Clone(number), append(bytes.Clone(block[32:36]), number...), message, data)
	if _, err := raw.Write(append(append([]byte{handshakeRecord, 3, 3}, length(len(sealed))...), sealed...)); err != nil {
		t.Fatal(err)
	}
	g.AwaitMetric(t, `sluice_streams_ended_total{reason="gone"} 1`)
	_, err = io.ReadAll(client)
	if err == nil || !strings.Contains(err.Error(), "unexpected message") { // and not "bad record MAC": it was understood
		t.Errorf("the client got %v", err)
	}
}
