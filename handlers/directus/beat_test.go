package directus

import (
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// A ping has its time, however soon after it the next tick comes.
func TestBeatSoonAfterPing(t *testing.T) {
	t.Parallel()
	c := &conn{h: &Handler{o: Options{Heartbeat: time.Minute}}, lastPing: time.Now().Add(-time.Second)}
	if err := c.beat(); err != nil {
		t.Errorf("a second after the ping: %v", err)
	}
	c.lastPing = time.Now().Add(-time.Minute)
	if err := c.beat(); err != errSilent { // it is just this one
		t.Errorf("a minute after the ping: %v", err)
	}
}

// TestFullLimiterGoes: an idle connection keeps no limiter, and one that has sent much lately keeps it.
func TestFullLimiterGoes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := &conn{h: &Handler{o: Options{Heartbeat: time.Hour}}, nextBeat: now.Add(time.Hour), limiter: rate.NewLimiter(connectionRate, connectionRate)}
	c.limiter.AllowN(now, connectionRate/2)
	for _, later := range []struct {
		after time.Duration
		keeps bool
	}{{0, true}, {time.Second / 4, true}, {time.Second, false}} {
		if _, err := c.Tick(now.Add(later.after)); err != nil || (c.limiter != nil) != later.keeps {
			t.Errorf("after %v: %v, %v", later.after, c.limiter, err)
		}
	}
}
