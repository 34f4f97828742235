package directus_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/config"
	"sluice/gateway/gatewaytest"
)

// TestNobodyTakesAPlace: sockets that have not authenticated leave all places to those who have, in every mode.
func TestNobodyTakesAPlace(t *testing.T) {
	t.Parallel()
	for _, mode := range []config.SocketAuth{config.SocketHandshake, config.SocketPublic} {
		g := newGateway(t, gatewaytest.WithItems, func(s *setup) {
			s.WebSocketAuth, s.WebSocketAuthTimeout, s.MaxConnections, s.MaxPending = mode, time.Minute, 3, 1000
		})
		var nobodies []*gatewaytest.Socket
		for range 20 {
			s, _ := g.DialSocket(t, "", nil)
			if s == nil {
				t.Fatal("one was refused who takes no place")
			}
			nobodies = append(nobodies, s)
		}
		g.Socket(t, gatewaytest.KeyItems).ExpectNothing()
		first := nobodies[0]
		first.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
		first.Expect(`{"type":"auth","status":"ok"}`)
		third := g.Open(t, gatewaytest.KeyItems, "")
		if third.Answer.StatusCode != http.StatusOK {
			t.Fatal(third.Answer.Status)
		}
		if s, status := g.DialSocket(t, "?access_token="+gatewaytest.KeyItems, nil); s != nil || status != http.StatusForbidden {
			t.Errorf("a fourth: %d", status)
		}
		second := nobodies[1]
		second.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
		second.Expect(`{"type":"auth","status":"error","error":{"code":"SERVICE_UNAVAILABLE","message":"the gateway has as many connections as MAX_CONNECTIONS allows; try again later"}}`)
		second.ExpectClose(websocket.StatusTryAgainLater)
		first.WS.CloseNow()
		g.AwaitStreams(t, 20)
		nobodies[2].Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
		nobodies[2].Expect(`{"type":"auth","status":"ok"}`)
		if n := g.Traffic.Streams(); n != 20 { // two have authenticated
			t.Errorf("%d are counted", n)
		}
	}
}

// TestCrowd: of those who have not authenticated the oldest goes when one more comes, so that who does so at once is
// not kept out.
func TestCrowd(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.WebSocketAuthTimeout, s.MaxPending = time.Minute, 16 })
	first, _ := g.DialSocket(t, "", nil)
	g.DialSocket(t, "", nil)
	third, _ := g.DialSocket(t, "", nil) // an address has two of 16
	first.ExpectClose(websocket.StatusTryAgainLater)
	third.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
	third.Expect(`{"type":"auth","status":"ok"}`)
	g.AwaitMetric(t, `sluice_streams_ended_total{reason="crowd"} 1`)
	g.AwaitStreams(t, 2)
}

// TestCrowdGoesAtOnce: a socket that has lost its place does not stay until its client answers the close, or has sent the
// message that it has begun.
func TestCrowdGoesAtOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.WebSocketAuthTimeout, s.MaxPending = time.Minute, 16 })
	const upgrade = "GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for range 10 { // which never answer; a frame of 8,000 bytes has begun
		g.Dial(t, upgrade+"\x81\xfe\x1f\x40\x00\x00\x00\x00half")
	}
	g.AwaitMetric(t, `sluice_streams_ended_total{reason="crowd"} 8`)
}

// TestRoomsTakeNoPlace: rooms, which ask for no credential, have places of their own, of which an address has half.
func TestRoomsTakeNoPlace(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.MaxConnections = 4 })
	room := g.NewRoom(t)
	for range 2 {
		g.Join(t, room, "")
	}
	g.RunAll(t, []scenario{
		{Name: "a third stream", Path: "/room/" + room + "/events", Key: "-", Status: 503, Has: []string{`"code":"too_many_connections"`, "half of MAX_CONNECTIONS"}},
		{Name: "for an EventSource", Path: "/room/" + room + "/events", Key: "-", Headers: map[string]string{"Accept": "text/event-stream"}, Status: 200, Has: []string{"event: busy"}},
		{Name: "a third socket", Path: "/room/" + room + "/connect", Key: "-", Status: 503},
	})
	for range 4 {
		if s := g.Open(t, gatewaytest.KeyAll, ""); s.Answer.StatusCode != http.StatusOK {
			t.Fatal(s.Answer.Status)
		}
	}
	g.RunAll(t, []scenario{{Name: "a fifth", Status: 503}})
}
