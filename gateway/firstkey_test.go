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
