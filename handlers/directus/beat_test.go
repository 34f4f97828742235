package directus

import (
	"testing"
	"time"
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
