package writers

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/broker"
	"sluice/handlers/wsframe"
)

// What a client has said while its writer was busy counts before the time that it had for it: a client is not late because the
// gateway has not listened.
func TestPongBeforeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Stream{Subscriber: &broker.Subscriber{}}
		s.web = newWebSocket(silent{}, &SocketOptions{Ping: time.Hour}, nil)
		g := &goroutineSocket{Stream: s, config: &Config{WriteTimeout: time.Second}, heard: make(chan heard)}
		s.web.pongBy = clock(time.Now().Add(time.Second))
		go func() { g.heard <- heard{event: wsframe.Event{Kind: wsframe.Pong}} }()
		time.Sleep(time.Minute) // it writes
		if end := g.tick(time.Now()); end != nil {
			t.Errorf("its client has answered, and it ends: %+v", end)
		}
		s.web.pongBy = clock(time.Now().Add(time.Second))
		time.Sleep(time.Minute)
		if end := g.tick(time.Now()); end == nil || end.Cause != errNoPong {
			t.Errorf("without an answer: %+v", end)
		}
	})
}
