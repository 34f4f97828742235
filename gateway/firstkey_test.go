package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"sluice/config"
	"sluice/gateway"
)

// TestClusterWithoutCredential: a gateway of a cluster makes no key for a first try, since each would make another one.
func TestClusterWithoutCredential(t *testing.T) {
	t.Parallel()
	c, err := config.Load([]string{
		"ADDR=127.0.0.1:0", "DATA_DIR=" + t.TempDir(), "CLUSTER_URL=nats://127.0.0.1:1", "CLUSTER_SECRET=a secret of at least 32 bytes, for tests",
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(c, gateway.Options{})
	if err == nil {
		g.Close()
		t.Fatal("it starts")
	}
	if !errors.As(err, new(*gateway.SettingsError)) || !strings.Contains(err.Error(), "set API_KEYS") {
		t.Error(err)
	}
}

// TestApplicationIsACredential: with AUTH_URL a gateway needs no other credential to listen beyond loopback, and makes no key
// for a first try.
func TestApplicationIsACredential(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{"": "no credential is configured", "https://app.example/auth": ""} {
		c, err := config.Load([]string{"ADDR=0.0.0.0:0", "DATA_DIR=" + t.TempDir(), "AUTH_URL=" + url}, "")
		if err != nil {
			t.Fatal(err)
		}
		g, err := gateway.New(c, gateway.Options{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", url, err)
		}
		if g != nil {
			if g.FirstKey.Key != "" {
				t.Errorf("%q: it makes a key", url)
			}
			g.Close()
		}
	}
}
