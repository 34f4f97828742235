package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"sluice/config"
	"sluice/gateway/gatewaytest"
	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// socketStory is a gateway with one socket that is about to end.
type socketStory struct {
	*gateway
	engine *failing
	room   bool // the socket is a room's; else Directus'
	socket *gatewaytest.Socket
}

// closings are ends of sockets and the close codes of docs/protocol.md, of /websocket and of rooms.
var closings = []struct {
	name            string
	directus, rooms websocket.StatusCode
	run             func(t *testing.T, s *socketStory)
}{
	{"the client closes", 1000, 1000, func(t *testing.T, s *socketStory) {
		// Close returns only after the gateway has answered, and fails if it answers with another code.
		if err := s.socket.WS.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
	}},
	{"the administrator cuts it", 1001, 1000, func(t *testing.T, s *socketStory) {
		id := s.AsAdmin(t, "GET", "/admin/connections", "", 200)["list"].([]any)[0].(map[string]any)["id"].(string)
		s.AsAdmin(t, "DELETE", "/admin/connections/"+id, "", 204)
	}},
	{"the gateway shuts down", 1001, 1001, func(t *testing.T, s *socketStory) {
		go func() { _ = s.Traffic.Drain(t.Context(), s.Broker) }() // ends with the socket
	}},
	{"the client sends a text that is not UTF-8", 1007, 1007, func(_ *testing.T, s *socketStory) { s.socket.Send(`{"type":"ping","uid":"` + "\xff" + `"}`) }},
	{"the log cannot be read", 1001, 1001, func(t *testing.T, s *socketStory) { s.readFailing(t) }},
}

// readFailing has the socket read a log that fails.
func (s *socketStory) readFailing(t *testing.T) {
	t.Helper()
	fault := fmt.Errorf("%w: %s", eventlog.ErrUnavailable, inside)
	if s.room {
		s.engine.err.Store(&fault)
		s.socket.Send(`{"type":"get","key":"k"}`)
		return
	}
	// A subscription that waits for a new credential falls behind, and then reads what it has missed from the log.
	s.socket.Send(`{"type":"subscribe","collection":"customer","uid":"1"}`)
	s.socket.Expect(gatewaytest.SubscriptionMessage("init", `[]`, "1"))
	s.socket.Send(`{"type":"auth","access_token":"nope"}`)
	if text, err := s.socket.Next(); err != nil || !strings.Contains(text, "AUTH_FAILED") {
		t.Fatal(text, err)
	}
	for range 20 {
		if _, err := s.Documents.Insert(t.Context(), "customer", "test", []documents.New{{Fields: gatewaytest.Fields(t, `{"a":"`+strings.Repeat("x", 1000)+`"}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	s.engine.err.Store(&fault)
	s.socket.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyDocs + `"}`)
	s.socket.Expect(`{"type":"auth","status":"ok"}`)
}

// A client learns from the close code why its socket ended.
func TestCloseCodes(t *testing.T) {
	t.Parallel()
	for _, end := range closings {
		for door, want := range map[string]websocket.StatusCode{"directus": end.directus, "rooms": end.rooms} {
			t.Run(door+": "+end.name, func(t *testing.T) {
				t.Parallel()
				s := &socketStory{engine: &failing{Engine: memory.Open(memory.Options{})}, room: door == "rooms"}
				s.gateway = newGateway(t, gatewaytest.WithDocuments, func(o *setup) { o.Engine, o.RingBytes, o.WebSocketAuth = s.engine, 1000, config.SocketPublic })
				if s.room {
					s.socket = s.roomSocket(t)
				} else {
					s.socket = s.Socket(t, gatewaytest.KeyDocs)
				}
				s.AwaitStreams(t, 1)
				if end.run(t, s); end.name != "the client closes" {
					s.socket.ExpectClose(want)
				}
				s.AwaitStreams(t, 0)
			})
		}
	}
}

// roomSocket opens a socket of a new room.
func (g *gateway) roomSocket(t *testing.T) *gatewaytest.Socket {
	t.Helper()
	address := strings.Replace(g.URL, "http", "ws", 1) + "/room/" + g.NewRoom(t) + "/connect"
	ws, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPClient: g.Client()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return gatewaytest.NewSocket(t, ws)
}
