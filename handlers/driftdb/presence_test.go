package driftdb_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
)

// there asks who is in a room.
func (g *gateway) there(t *testing.T, room, query string) string {
	t.Helper()
	answer, err := g.Client().Get(g.URL + "/room/" + room + "/presence" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	return strings.TrimSpace(string(text))
}

// thereSoon waits for an answer, for as long as it may take.
func (g *gateway) thereSoon(t *testing.T, room, query, want string, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		got := g.there(t, room, query)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q: there are %.500s, want %.500s", query, got, want)
		}
	}
}

func relay(key, value string) string {
	return fmt.Sprintf(`{"type":"push","key":%q,"value":%s,"action":{"type":"relay"}}`, key, value)
}

// taken waits until all that was said was taken, as answers come in order.
func taken(t *testing.T, ws *websocket.Conn, got func() []string) {
	t.Helper()
	pongs := func() []string {
		return slices.DeleteFunc(got(), func(one string) bool { return !strings.Contains(one, `"pong"`) })
	}
	before := len(pongs())
	gatewaytest.SendText(t, ws, `{"type":"ping"}`)
	gatewaytest.AwaitMessages(t, pongs, before+1)
}

func TestRoomPresence(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room, other := g.NewRoom(t), g.NewRoom(t)
	a, gotA := g.Join(t, room, "")
	b, gotB := g.Join(t, room, "")
	gatewaytest.SendText(t, a, relay("__presence", `{"value":{"x":1},"client":"a"}`))
	gatewaytest.SendText(t, b, relay("__presence", `{"client":"b","value":null}`))
	gatewaytest.SendText(t, a, relay("mouse", `{"value":[1, 2],"client":"a"}`))
	gatewaytest.SendText(t, b, relay("", `{"client":"ü"}`)) // in JSON there is no undefined
	for _, no := range []string{`1`, `null`, `[]`, `{}`, `{"value":1}`, `{"client":1,"value":1}`, `{"client":null,"value":1}`, `{"client":"c","value":1,"text":"hi"}`, `{"client":"c","text":"hi"}`, `{"Client":"c","value":1}`} {
		gatewaytest.SendText(t, a, relay("mouse", no))
	}
	gatewaytest.SendText(t, a, `{"type":"push","key":"mouse","value":{"value":1,"client":"stored"},"action":{"type":"append"}}`)
	taken(t, a, gotA)
	taken(t, b, gotB)
	for query, want := range map[string]string{
		"":                `[{"client":"a","value":{"x":1}},{"client":"b","value":null}]`,
		"?key=__presence": `[{"client":"a","value":{"x":1}},{"client":"b","value":null}]`,
		"?key=mouse":      `[{"client":"a","value":[1,2]}]`,
		"?key=":           `[{"client":"ü","value":null}]`,
		"?key=none":       `[]`,
	} {
		if got := g.there(t, room, query); got != want {
			t.Errorf("%q: there are %s, want %s", query, got, want)
		}
	}
	if got := g.there(t, other, "?key=mouse"); got != "[]" {
		t.Errorf("in another room there are %s", got)
	}
	// The last word counts, and of a client that has two connections the last of both.
	gatewaytest.SendText(t, a, relay("mouse", `{"value":3,"client":"a"}`))
	taken(t, a, gotA)
	gatewaytest.SendText(t, b, relay("mouse", `{"value":4,"client":"a"}`))
	gatewaytest.SendText(t, b, relay("mouse", `{"value":5,"client":"b"}`))
	taken(t, b, gotB)
	for range 10 { // connections come in no order
		if got := g.there(t, room, "?key=mouse"); got != `[{"client":"a","value":4},{"client":"b","value":5}]` {
			t.Fatal(got)
		}
	}
	// Who leaves is gone at once.
	b.CloseNow()
	g.thereSoon(t, room, "?key=mouse", `[{"client":"a","value":3}]`, 2*time.Second)
	g.thereSoon(t, room, "", `[{"client":"a","value":{"x":1}}]`, 2*time.Second)
	// Nothing is stored.
	if got := g.Push(t, room, `{"type":"get","key":"__presence"}`); !strings.HasSuffix(got, `"data":[]}`) {
		t.Error(got)
	}
}

// However many clients, keys and bytes a connection sends, the gateway stores only a little of its presence.
func TestRoomPresenceBounds(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	a, got := g.Join(t, room, "")
	sendAll := func(n int, message func(i int) string) {
		t.Helper()
		before := len(got())
		for i := range n {
			gatewaytest.SendText(t, a, message(i))
		}
		gatewaytest.AwaitMessages(t, got, before+n)
		taken(t, a, got)
	}
	sendAll(30, func(i int) string { return relay("many", fmt.Sprintf(`{"value":%d,"client":"c%02d"}`, i, i)) })
	if all := g.there(t, room, "?key=many"); strings.Count(all, "client") != 16 || strings.Contains(all, `"c13"`) || !strings.Contains(all, `"c14"`) || !strings.Contains(all, `"c29"`) {
		t.Errorf("there are %s", all)
	}
	sendAll(16, func(i int) string { return relay(fmt.Sprint("key", i), `{"value":1,"client":"c"}`) })
	if got := g.there(t, room, "?key=many"); got != "[]" {
		t.Errorf("there are %s beside 16 keys", got)
	}
	// 3 values of 1,300 bytes are stored, 4 are not. Of a value that is too long, only its presence is stored.
	text := strings.Repeat("x", 1300)
	sendAll(4, func(i int) string { return relay("long", fmt.Sprintf(`{"value":%q,"client":"c%d"}`, text, i)) })
	if all := g.there(t, room, "?key=long"); strings.Count(all, "client") != 3 || strings.Contains(all, `"c0"`) {
		t.Errorf("there are %.200s", all)
	}
	for length, want := range map[int]string{4080: "xxx", 5000: `[{"client":"c","value":null}]`} {
		key := fmt.Sprint(length % 7) // short, as it counts
		value := `{"value":"` + strings.Repeat("x", length-len(`{"value":"","client":"c"}`)) + `","client":"c"}`
		sendAll(1, func(int) string { return relay(key, value) })
		if all := g.there(t, room, "?key="+key); !strings.Contains(all, want) {
			t.Errorf("of %d bytes: there are %.200s", length, all)
		}
		if all := got(); !strings.Contains(all[len(all)-2], text) { // before the pong
			t.Errorf("a relay of %d bytes did not arrive: %.100s", length, all[len(all)-2])
		}
	}
}

// A client that only answers pings says nothing of itself any more; one whose network has vanished does not even answer.
func TestRoomPresenceVanished(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := newGateway(t, gatewaytest.InBubble)
			room := g.NewRoom(t)
			ws, got := g.Join(t, room, "")
			gatewaytest.SendText(t, ws, relay("mouse", `{"value":1,"client":"a"}`))
			g.thereSoon(t, room, "?key=mouse", `[{"client":"a","value":1}]`, 2*time.Second)
			g.thereSoon(t, room, "?key=mouse", `[]`, 10*time.Second)
			taken(t, ws, got)
		})
	})
	t.Run("vanished", func(t *testing.T) {
		t.Parallel()
		vanish(t)
	})
}

func vanish(t *testing.T) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.InBubble, func(s *setup) { s.MaxRoomConnections = 1 })
		room := g.NewRoom(t)
		ws, _, err := websocket.Dial(context.Background(), strings.Replace(g.URL, "http", "ws", 1)+"/room/"+room+"/connect", &websocket.DialOptions{HTTPClient: g.Client()})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
		gatewaytest.SendText(t, ws, relay("mouse", `{"value":1,"client":"a"}`))
		g.thereSoon(t, room, "?key=mouse", `[{"client":"a","value":1}]`, 2*time.Second)
		g.thereSoon(t, room, "?key=mouse", `[]`, 7*time.Second)
		g.joinSoon(t, room) // its connection is given up
	})
}
