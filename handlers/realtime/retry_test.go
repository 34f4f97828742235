package realtime_test

import (
	"context"
	"io"
	"testing"
	"time"

	"sluice/broker/sse/ssetest"
	"sluice/gateway/gatewaytest"
)

// crowd is how many streams a test of retries has: enough that their retries would all lie in one half of the range once
// in 2^60 runs.
const crowd = 60

// lastFrames opens a crowd of streams, ends all, and returns the last frame of each.
func (g *gateway) lastFrames(t *testing.T, key string, end func()) (frames []ssetest.Event) {
	t.Helper()
	var streams []*gatewaytest.Stream
	for range crowd {
		streams = append(streams, g.Stream(t, key, ""))
	}
	end()
	for _, s := range streams {
		frames = append(frames, s.Event(t))
		if rest, err := io.ReadAll(s.Answer.Body); err != nil || len(rest) > 0 {
			t.Errorf("the stream goes on: %q %v", rest, err)
		}
	}
	return frames
}

// spread fails the test unless the retries of the frames lie in the range, and in both halves of it.
func spread(t *testing.T, frames []ssetest.Event, name string, least, most time.Duration) {
	t.Helper()
	lower := 0
	for _, f := range frames {
		if f.Name != name || f.Retry < least || f.Retry > most {
			t.Errorf("%+v; want %s with a retry of %s to %s", f, name, least, most)
		}
		if f.Retry < (least+most)/2 {
			lower++
		}
	}
	if lower == 0 || lower == len(frames) {
		t.Errorf("%d of %d retries are below the middle of %s to %s", lower, len(frames), least, most)
	}
}

// Clients that a gateway sends away together do not come back together.
func TestRetriesAreSpread(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		made := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"k","sub":["a"]}`, 201)
		key, path := made["key"].(string), "/admin/keys/"+made["id"].(string)
		changed := g.lastFrames(t, key, func() { g.AsAdmin(t, "PATCH", path, `{"sub":["b"]}`, 200) })
		spread(t, changed, "expired", 500*time.Millisecond, 1500*time.Millisecond)
		revoked := g.lastFrames(t, key, func() { g.AsAdmin(t, "DELETE", path, "", 204) })
		spread(t, revoked, "expired", 500*time.Millisecond, 1500*time.Millisecond)

		drained := make(chan error, 1)
		drain := g.lastFrames(t, gatewaytest.KeyAll, func() {
			ctx, cancel := context.WithTimeout(t.Context(), gatewaytest.Patience)
			t.Cleanup(cancel)
			go func() { drained <- g.Traffic.Drain(ctx, g.Broker) }()
		})
		spread(t, drain, "busy", time.Second, 11*time.Second)
		if err := <-drained; err != nil {
			t.Error(err)
		}
		var sentAway []ssetest.Event
		for range crowd {
			sentAway = append(sentAway, g.Open(t, gatewaytest.KeyAll, "", "Accept", "text/event-stream").Event(t))
		}
		spread(t, sentAway, "busy", 2*time.Second, 10*time.Second)
	})
}
