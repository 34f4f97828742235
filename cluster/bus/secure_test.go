//go:build unix

package bus_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
)

// refuses expects that a connection is refused, with an error that tells the cure and no password.
func refuses(t *testing.T, o bus.Options, cure string) {
	t.Helper()
	o.Cluster, o.Node, o.Secret = "one", "a", secret
	b, err := bus.Connect(o)
	if err == nil {
		b.Close()
		t.Errorf("connected; want: %s", cure)
		return
	}
	if !strings.Contains(err.Error(), cure) || strings.Contains(err.Error(), "passwordoftests") {
		t.Errorf("%v; want: %s", err, cure)
	}
}

// talks expects that two nodes can connect, and that one hears the other.
func talks(t *testing.T, o bus.Options) {
	t.Helper()
	o.Cluster, o.Node, o.Secret = t.Name(), "a", secret // not the cluster of a test beside it, on the same server
	a, b := connect(t, o), connect(t, o)
	var came box
	if err := b.Listen("news", came.put); err != nil {
		t.Fatal(err)
	}
	flush(t, b)
	if err := a.Publish("news", []byte("1")); err != nil {
		t.Fatal(err)
	}
	came.await(t, "1")
}

// With the TLS of deploy/cluster, gateway and server trust only certificates of the authority. The error says which setting is
// wrong.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority, other := clustertest.NewAuthority(t), clustertest.NewAuthority(t)
	url := clustertest.StartServers(t, 1, authority.TLS(t)).URL()
	secured := strings.Replace(url, "nats://", "tls://", 1)
	cert, key := authority.Issue(t, "gateway")
	otherCert, otherKey := other.Issue(t, "gateway")
	for name, address := range map[string]string{"nats": url, "tls": secured} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := bus.Options{URL: address, CA: authority.File, Cert: cert, Key: key}
			talks(t, o)
			o.Cluster, o.Node, o.Secret = "one", "a", secret
			if state, err := connect(t, o).Conn().TLSConnectionState(); err != nil || !state.HandshakeComplete {
				t.Errorf("TLS: %v, %v", state.HandshakeComplete, err)
			}
			refuses(t, bus.Options{URL: address, CA: other.File, Cert: cert, Key: key}, "CLUSTER_CA must be the file of the authority")
			refuses(t, bus.Options{URL: address, Cert: cert, Key: key}, "set CLUSTER_CA to the file")
			refuses(t, bus.Options{URL: address}, "set CLUSTER_CA to the file")
			refuses(t, bus.Options{URL: address, CA: authority.File}, "does the server want a certificate? CLUSTER_CERT")
			refuses(t, bus.Options{URL: address, CA: authority.File, Cert: otherCert, Key: otherKey}, "does the server want a certificate? CLUSTER_CERT")
			refuses(t, bus.Options{URL: address, CA: authority.File, Cert: cert, Key: otherKey}, "CLUSTER_CERT")
			named := strings.Replace(address, "127.0.0.1", "localhost", 1)
			refuses(t, bus.Options{URL: named, CA: authority.File, Cert: cert, Key: key}, "CLUSTER_URL must have a name or address that is in the certificate")
			wrong := strings.Replace(address, "passwordoftests", "anotherpassword", 1)
			refuses(t, bus.Options{URL: wrong, CA: authority.File, Cert: cert, Key: key}, "the user and password in CLUSTER_URL, must be of a user")
		})
	}
}

// A gateway that has settings for TLS sends no password to a server without.
func TestNoTLSAtServer(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	refuses(t, bus.Options{URL: url, CA: clustertest.NewAuthority(t).File}, "the server has no TLS")
	refuses(t, bus.Options{URL: strings.Replace(url, "nats://", "tls://", 1)}, "the server has no TLS")
}

// A connection that is refused is tried until the server takes it: somebody may have to mend its users. The log has the
// cause, without the password, and not at each try.
func TestRefusedForAWhile(t *testing.T) {
	t.Parallel()
	servers := clustertest.StartServers(t, 1)
	var log, came box
	a := connect(t, bus.Options{URL: servers.URL(), Cluster: "one", Node: "a", Secret: secret, Logger: slog.New(slog.NewTextHandler(writer(log.put), nil))})
	if err := a.Listen("news", came.put); err != nil {
		t.Fatal(err)
	}
	flush(t, a)
	begun := time.Now()
	servers.Configure(t, func(conf string) string { return strings.Replace(conf, "user: sluice,", "user: somebody,", 1) })
	servers[0].Restart(t)
	clustertest.Until(t, func() error {
		if n := strings.Count(servers[0].Logs(), "authentication error"); n < 10 {
			return fmt.Errorf("%d tries", n)
		}
		return nil
	})
	servers.Configure(t, func(conf string) string { return strings.Replace(conf, "user: somebody,", "user: sluice,", 1) })
	servers[0].Restart(t)
	clustertest.Until(t, func() error { return a.Publish("news", []byte("1")) })
	came.await(t, "1")
	log.mu.Lock()
	defer log.mu.Unlock()
	text := strings.Join(log.came, "")
	if n, most := strings.Count(text, "does not take"), 2+int(time.Since(begun)/(10*time.Second)); n == 0 || n > most {
		t.Errorf("%d lines about tries, want at most %d: %s", n, most, text)
	}
	if len(log.came) > 20 || !strings.Contains(text, "is lost") || strings.Contains(text, "passwordoftests") {
		t.Errorf("logged: %s", text)
	}
}

// An account hears nothing of another one, and can say nothing there, not even with the cluster's secret.
func TestAccounts(t *testing.T) {
	t.Parallel()
	url := clustertest.StartServers(t, 1, func(conf string) string {
		return strings.Replace(conf, "accounts {\n", "accounts {\n  OTHER {jetstream: enabled, users: [{user: other, password: passwordoftests}]}\n", 1)
	}).URL()
	a := connect(t, bus.Options{URL: url, Cluster: "one", Node: "a", Secret: secret})
	b := connect(t, bus.Options{URL: url, Cluster: "one", Node: "b", Secret: secret})
	other := connect(t, bus.Options{URL: strings.Replace(url, "sluice:", "other:", 1), Cluster: "one", Node: "c", Secret: secret})
	var atB, atOther, all box
	if err := b.Listen("news", atB.put); err != nil {
		t.Fatal(err)
	}
	if err := other.Listen("news", atOther.put); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Conn().Subscribe(">", func(m *nats.Msg) { all.put([]byte(m.Subject)) }); err != nil {
		t.Fatal(err)
	}
	flush(t, b, other)
	for _, one := range []struct {
		by   *bus.Bus
		text string
	}{{a, "1"}, {other, "other"}, {a, "2"}} {
		if err := one.by.Publish("news", []byte(one.text)); err != nil {
			t.Fatal(err)
		}
		flush(t, one.by)
	}
	atB.await(t, "1 2")
	atOther.await(t, "other")
	all.await(t, "sluice.one.news")
}

// claim returns a JWT as NATS' tool nsc makes it.
func claim(t *testing.T, by, of nkeys.KeyPair, content map[string]any) string {
	t.Helper()
	content["version"] = 2
	body, err := json.Marshal(map[string]any{"iat": time.Now().Unix(), "iss": public(t, by), "sub": public(t, of), "name": content["type"], "nats": content})
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := by.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func public(t *testing.T, of nkeys.KeyPair) string {
	t.Helper()
	text, err := of.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// credentials writes the file of a user's credentials.
func credentials(t *testing.T, account nkeys.KeyPair) string {
	t.Helper()
	user := newKey(t, nkeys.CreateUser)
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	token := claim(t, account, user, map[string]any{"type": "user", "subs": -1, "data": -1, "payload": -1})
	file := filepath.Join(t.TempDir(), "gateway.creds")
	text := fmt.Sprintf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", token, seed)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A file of credentials opens servers whose accounts have an operator, as deploy/cluster/nats-server.conf says. Those of an
// account that the servers do not know, or none, do not.
func TestCredentials(t *testing.T) {
	t.Parallel()
	operator, account, system := newKey(t, nkeys.CreateOperator), newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateAccount)
	limits := map[string]any{
		"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
		"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
	}
	ofAccount := claim(t, operator, account, map[string]any{"type": "account", "limits": limits})
	ofSystem := claim(t, operator, system, map[string]any{"type": "account", "limits": map[string]any{
		"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
	}})
	servers := clustertest.StartServers(t, 1, func(conf string) string {
		before, rest, _ := strings.Cut(conf, "\naccounts {\n")
		_, after, _ := strings.Cut(rest, "\nsystem_account: SYS\n")
		return before + fmt.Sprintf("\noperator: %q\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {%s: %q, %s: %q}\n",
			claim(t, operator, operator, map[string]any{"type": "operator"}), public(t, system), public(t, account), ofAccount, public(t, system), ofSystem) + after
	})
	url := strings.Replace(servers.URL(), "sluice:passwordoftests@", "", 1)
	talks(t, bus.Options{URL: url, Credentials: credentials(t, account)})
	for _, file := range []string{credentials(t, newKey(t, nkeys.CreateAccount)), ""} {
		refuses(t, bus.Options{URL: url, Credentials: file}, "CLUSTER_CREDENTIALS, or the user and password in CLUSTER_URL, must be of a user")
	}
	none := filepath.Join(t.TempDir(), "none.creds")
	if err := os.WriteFile(none, []byte("passwordoftests"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, bus.Options{URL: url, Credentials: none}, "CLUSTER_CREDENTIALS")
}
