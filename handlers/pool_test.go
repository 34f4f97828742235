package handlers_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/config"
)

// TestNobodyTakesAPlace: sockets that have not authenticated leave all places to those who have, in every mode.
func TestNobodyTakesAPlace(t *testing.T) {
	t.Parallel()
	for _, mode := range []config.SocketAuth{config.SocketHandshake, config.SocketPublic} {
		g := newGateway(t, withItems, func(s *setup) {
			s.WebSocketAuth, s.WebSocketAuthTimeout, s.MaxConnections, s.MaxPending = mode, time.Minute, 3, 1000
		})
		var nobodies []*socket
		for range 20 {
			s, _ := g.dial(t, "", nil)
			if s == nil {
				t.Fatal("one was refused who takes no place")
			}
			nobodies = append(nobodies, s)
		}
		g.socket(t, keyItems).quiet()
		first := nobodies[0]
		first.say(`{"type":"auth","access_token":"` + keyItems + `"}`)
		first.hears(`{"type":"auth","status":"ok"}`)
		third := g.open(t, keyItems, "")
		if third.answer.StatusCode != http.StatusOK {
			t.Fatal(third.answer.Status)
		}
		if s, status := g.dial(t, "?access_token="+keyItems, nil); s != nil || status != http.StatusForbidden {
			t.Errorf("a fourth: %d", status)
		}
		second := nobodies[1]
		second.say(`{"type":"auth","access_token":"` + keyItems + `"}`)
		second.hears(`{"type":"auth","status":"error","error":{"code":"SERVICE_UNAVAILABLE","message":"the gateway has as many connections as MAX_CONNECTIONS allows; try again later"}}`)
		second.ends(websocket.StatusTryAgainLater)
		first.ws.CloseNow()
		g.streams(t, 20)
		nobodies[2].say(`{"type":"auth","access_token":"` + keyItems + `"}`)
		nobodies[2].hears(`{"type":"auth","status":"ok"}`)
		if n := g.Traffic.Streams(); n != 20 { // two have authenticated
			t.Errorf("%d are counted", n)
		}
	}
}

// streams waits until as many as wanted are counted.
func (g *gateway) streams(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); g.Traffic.Streams() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams, want %d", g.Traffic.Streams(), want)
		}
	}
}

// TestCrowd: of those who have not authenticated the oldest goes when one more comes, so that who does so at once is
// not kept out.
func TestCrowd(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems, func(s *setup) { s.WebSocketAuthTimeout, s.MaxPending = time.Minute, 16 })
	first, _ := g.dial(t, "", nil)
	g.dial(t, "", nil)
	third, _ := g.dial(t, "", nil) // an address has two of 16
	first.ends(websocket.StatusTryAgainLater)
	third.say(`{"type":"auth","access_token":"` + keyItems + `"}`)
	third.hears(`{"type":"auth","status":"ok"}`)
	g.metric(t, `sluice_streams_ended_total{reason="crowd"} 1`)
	g.streams(t, 2)
}

// TestCrowdGoesAtOnce: a socket that has lost its place does not stay until its client answers the close, or has sent the
// message that it has begun.
func TestCrowdGoesAtOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems, func(s *setup) { s.WebSocketAuthTimeout, s.MaxPending = time.Minute, 16 })
	const upgrade = "GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for range 10 { // which never answer; a frame of 8,000 bytes has begun
		dial(t, g, upgrade+"\x81\xfe\x1f\x40\x00\x00\x00\x00half")
	}
	g.metric(t, `sluice_streams_ended_total{reason="crowd"} 8`)
}

// TestRoomsTakeNoPlace: rooms, which ask for no credential, have places of their own, of which an address has half.
func TestRoomsTakeNoPlace(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.MaxConnections = 4 })
	room := g.newRoom(t)
	for range 2 {
		g.join(t, room, "")
	}
	runAll(t, g, []scenario{
		{Name: "a third stream", Path: "/room/" + room + "/events", Key: "-", Status: 503, Has: []string{`"code":"too_many_connections"`, "half of MAX_CONNECTIONS"}},
		{Name: "for an EventSource", Path: "/room/" + room + "/events", Key: "-", Headers: map[string]string{"Accept": "text/event-stream"}, Status: 200, Has: []string{"event: busy"}},
		{Name: "a third socket", Path: "/room/" + room + "/connect", Key: "-", Status: 503},
	})
	for range 4 {
		if s := g.open(t, keyAll, ""); s.answer.StatusCode != http.StatusOK {
			t.Fatal(s.answer.Status)
		}
	}
	runAll(t, g, []scenario{{Name: "a fifth", Status: 503}})
}
