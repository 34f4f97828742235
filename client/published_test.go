package client_test

import (
	"testing"

	"sluice/channel"
	"sluice/client"
)

// TestPublished: no event can have the name of one of the gateway's own frames, so that the two are never mixed up.
func TestPublished(t *testing.T) {
	t.Parallel()
	for _, name := range []string{client.Init, client.Ping, client.Gap, client.Live, client.End, client.Expired, client.Busy} {
		if e := (client.Event{Name: name}); e.Published() || channel.CheckEvent(name) == nil {
			t.Errorf("%q can be an event", name)
		}
	}
	for _, name := range []string{"goal", "put", "publish", "pings"} {
		if e := (client.Event{Name: name}); !e.Published() {
			t.Errorf("%q is no event", name)
		}
	}
}
