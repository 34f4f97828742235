package openapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
)

// socket is a client's socket, whose messages in both directions are held against the document.
type socket struct {
	*frames
	*gatewaytest.Socket
	t       *testing.T
	channel string
}

// says sends a message that the document allows.
func (s *socket) says(text string) {
	s.t.Helper()
	s.message(s.t, s.channel, fromClient, text)
	s.Send(text)
}

// hears reads messages until one contains a text, and returns that one.
func (s *socket) hears(has string) string {
	s.t.Helper()
	for {
		text, err := s.Next()
		if err != nil {
			s.t.Fatalf("%v before %q", err, has)
		}
		s.message(s.t, s.channel, fromGateway, text)
		if strings.Contains(text, has) {
			return text
		}
	}
}

// TestDescribedMessages: messages of both WebSockets are as docs/asyncapi.yaml says, and each that it names has come.
func TestDescribedMessages(t *testing.T) {
	t.Parallel()
	f := newFrames(t)
	t.Run("room", f.roomSocket)
	t.Run("items", f.itemsSocket)
	t.Run("heartbeat", f.heartbeat)
	f.complete(t, "room", "items")
}

func (f *frames) roomSocket(t *testing.T) {
	g := start(t)
	ws, _, err := websocket.Dial(context.Background(), strings.Replace(g.URL, "http", "ws", 1)+"/room/messages/connect", &websocket.DialOptions{HTTPClient: g.Client()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	s := &socket{f, gatewaytest.NewSocket(t, ws), t, "room"}
	s.says(`{"type":"ping","nonce":7}`)
	s.hears("pong")
	s.says(`{"type":"ping"}`)
	s.hears("pong")
	s.says(`{"type":"get","key":"k","seq":0}`)
	s.hears("init")
	for i := range 2 {
		s.says(fmt.Sprintf(`{"type":"push","key":"k","value":{"n":%d},"action":{"type":"append"}}`, i))
	}
	s.hears("stream_size")
	s.says(`{"type":"push","key":"k","action":{"type":"compact","seq":9000}}`)
	s.hears("error")
}

func (f *frames) itemsSocket(t *testing.T) {
	g := start(t)
	g.AddUser(t, "ann@example.org", "correct horse")
	ws, _ := g.DialSocket(t, "", nil)
	s := &socket{f, ws, t, "items"}
	s.says(`{"type":"auth","email":"ann@example.org","password":"correct horse","uid":1}`)
	var ok struct {
		Token string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(s.hears(`"ok"`)), &ok); err != nil {
		t.Fatal(err)
	}
	s.says(fmt.Sprintf(`{"type":"auth","refresh_token":%q}`, ok.Token))
	s.hears(`"ok"`)
	s.says(`{"type":"auth","access_token":"` + keyAll + `","uid":"a"}`)
	s.hears(`"ok"`)
	s.says(`{"type":"ping","uid":"p"}`)
	s.hears("pong")
	s.says(`{"type":"subscribe","collection":"messages","query":{"fields":["*"],"meta":"*"},"uid":"all"}`)
	s.hears("init")
	s.says(`{"type":"subscribe","collection":"messages","event":"create","uid":"new"}`)
	s.hears(`"new"`)
	s.says(`{"type":"items","collection":"messages","action":"create","data":{"id":"a","text":"hi"},"uid":2}`)
	s.hears(`"items"`)
	s.says(`{"type":"subscribe","collection":"messages","item":"a","uid":"one"}`)
	s.hears(`"one"`)
	s.says(`{"type":"items","collection":"messages","action":"update","id":"a","data":{"text":"ho"}}`)
	s.hears(`"items"`)
	s.says(`{"type":"items","collection":"messages","action":"read","query":{"meta":["total_count"]}}`)
	s.hears("total_count")
	s.says(`{"type":"items","collection":"messages","action":"delete","ids":["a"]}`)
	s.hears(`"items"`)
	for _, wrong := range []string{
		`{"type":"items","collection":"directus_users","action":"read","uid":"x"}`,
		`{"type":"items","collection":"messages","action":"read","query":{"filter":{"a":{"_none":1}}}}`,
	} {
		s.says(wrong)
		s.hears(`"error"`)
	}
	s.Send(`{"type":"items"`)
	s.hears("INVALID_PAYLOAD")
	s.says(`{"type":"unsubscribe","uid":"all"}`)
	s.hears("unsubscribe")
	s.says(`{"type":"auth","access_token":"wrong"}`)
	s.hears("AUTH_FAILED")
}

func (f *frames) heartbeat(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.WebSocketHeartbeat = 100 * time.Millisecond })
	s := &socket{f, g.Socket(t, keyAll), t, "items"}
	s.hears("ping")
	s.says(`{"type":"pong"}`)
}
