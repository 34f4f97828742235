package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writeCertificate makes a self-signed pair that is recognized by its serial number.
func writeCertificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "sluice"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// HTTPS and HTTP/2 on the binary, with keys and certificates that SIGHUP reads again.
func TestReloadOnSIGHUP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	keys := filepath.Join(dir, "keys.json")
	if err := os.WriteFile(keys, []byte(`[]`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, "API_KEYS_FILE="+keys, "TLS_CERT_FILE=cert.pem", "TLS_KEY_FILE=key.pem")
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatal(s.url)
	}
	if serial, status, proto := s.look(t); serial != 1 || status != 401 || proto != "HTTP/2.0" {
		t.Fatalf("serial %d, status %d, %s", serial, status, proto)
	}
	writeCertificate(t, dir, 2)
	if err := os.WriteFile(keys, []byte(strings.TrimPrefix(keysSetting, "API_KEYS=")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd.Process.Signal(syscall.SIGHUP)
	var seen string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		serial, status, _ := s.look(t)
		if seen = fmt.Sprint(serial, " ", status); seen == "2 200" {
			return
		}
	}
	t.Errorf("after SIGHUP: %s", seen)
}

// look makes a new connection. It returns the certificate's serial number, and the gateway's answer to the test's key.
func (s *server) look(t *testing.T) (serial int64, status int, proto string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodHead, s.url+"/realtime", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", testKey)
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.TLS.PeerCertificates[0].SerialNumber.Int64(), answer.StatusCode, answer.Proto
}

// A certificate that is replaced by one of the same size and time is noticed without a signal, as is a list of keys:
// rsync -t, tar and stores with pinned times leave both alone.
func TestReplacedBySameSizeAndTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pinned := time.Unix(1_700_000_000, 0)
	names := []string{"cert.pem", "key.pem", "keys.json"}
	// write makes the files anew until they have the sizes given, and pins their times.
	write := func(serial int64, key string, sizes []int64) []int64 {
		t.Helper()
		for range 200 { // a signature has 70 to 72 bytes
			writeCertificate(t, dir, serial)
			list := fmt.Sprintf(`[{"name":"test","key":%q,"sub":["*"],"pub":["*"]}]`, key)
			if err := os.WriteFile(filepath.Join(dir, "keys.json"), []byte(list), 0o600); err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, name := range names {
				file := filepath.Join(dir, name)
				if err := os.Chtimes(file, pinned, pinned); err != nil {
					t.Fatal(err)
				}
				info, err := os.Stat(file)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, info.Size())
			}
			if sizes == nil || slices.Equal(got, sizes) {
				return got
			}
		}
		t.Fatal("no pair of the same size")
		return nil
	}
	other := strings.Repeat("x", len(testKey))
	sizes := write(1, testKey, nil)
	s := start(t, dir, "API_KEYS_FILE=keys.json", "TLS_CERT_FILE=cert.pem", "TLS_KEY_FILE=key.pem")
	if serial, status, _ := s.look(t); serial != 1 || status != 200 {
		t.Fatalf("serial %d, status %d", serial, status)
	}
	write(2, other, sizes)
	var seen string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		serial, status, _ := s.look(t)
		if seen = fmt.Sprint(serial, " ", status); seen == "2 401" {
			return
		}
	}
	t.Errorf("never noticed: %s", seen)
}

// Metrics are for loopback peers on ADDR, and for all on METRICS_ADDR, with pprof only there; no label
// holds what a client sent.
func TestMetrics(t *testing.T) {
	t.Parallel()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	probe.Close()
	s := start(t, t.TempDir(), keysSetting, "METRICS_ADDR="+addr)
	s.post(`{"event":"secretname","collection":"secretcollection"}`)
	s.post(`{"event":""}`)
	for _, url := range []string{s.url, "http://" + addr} {
		text := get(t, url+"/metrics")
		for _, want := range []string{
			`sluice_publishes_total{outcome="ok"} 1`, `sluice_publishes_total{outcome="bad_event"} 1`, "sluice_connections 0", "sluice_log_events 1",
			"sluice_publish_seconds_count 1", "sluice_delivery_seconds_count 0", "sluice_gaps_total 0", "sluice_replayed_total 0", "sluice_stream_bytes_total 0",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q", url, want)
			}
		}
		if strings.Contains(text, "secret") {
			t.Errorf("%s: a client's words are in the metrics", url)
		}
	}
	status := func(url string, headers ...string) int {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	}
	if got := status(s.url+"/metrics", "X-Forwarded-For", "203.0.113.7"); got != 403 {
		t.Errorf("metrics through a proxy: %d", got)
	}
	if got := status(s.url + "/debug/pprof/"); got != 404 {
		t.Errorf("pprof on ADDR: %d", got)
	}
	if got := status("http://" + addr + "/debug/pprof/"); got != 200 {
		t.Errorf("pprof on METRICS_ADDR: %d", got)
	}
	if got := status(s.url + "/healthz"); got != 200 {
		t.Errorf("healthz: %d", got)
	}
	if got := status(s.url + "/readyz"); got != 200 {
		t.Errorf("readyz: %d", got)
	}
}
