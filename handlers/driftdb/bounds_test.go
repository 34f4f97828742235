package driftdb_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// refused tries to open a WebSocket, and gives the answer that it was refused with.
func (g *gateway) refused(t *testing.T, room string) string {
	t.Helper()
	ws, answer, err := websocket.Dial(context.Background(), strings.Replace(g.URL, "http", "ws", 1)+"/room/"+room+"/connect", &websocket.DialOptions{HTTPClient: g.Client()})
	if err == nil {
		ws.CloseNow()
		t.Fatal("it was let in")
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("Retry-After"), " ", string(text))
}

// listen opens a room as an EventSource does.
func (g *gateway) listen(t *testing.T, room string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/room/"+room+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := g.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatal(answer.Status)
	}
	return cancel
}

func TestRoomConnections(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.MaxRoomConnections = 3 })
	room, other := g.NewRoom(t), g.NewRoom(t)
	g.Join(t, room, "")
	leave := g.listen(t, room)
	last, _ := g.Join(t, room, "?debug=true")
	full := []scenario{
		{Name: "a stream", Path: "/room/" + room + "/events", Key: "-", Status: 429, Has: []string{"too_many_connections_per_room", "MAX_ROOM_CONNECTIONS"}, ResponseHeaders: map[string]string{"Retry-After": "*any*"}},
		{Name: "an EventSource", Path: "/room/" + room + "/events", Key: "-", Headers: map[string]string{"Accept": "text/event-stream", "Last-Event-ID": "12"}, Status: 200,
			Has: []string{"retry: ", "\nevent: busy\nid: 12\n", `"status":429`, "MAX_ROOM_CONNECTIONS"}},
		{Name: "another room", Path: "/room/" + other, Key: "-", Status: 200},
		{Name: "who looks", Path: "/room/" + room, Key: "-", Status: 200},
		{Name: "who is there", Path: "/room/" + room + "/presence", Key: "-", Status: 200},
		{Name: "a message", Path: "/room/" + room + "/send", Key: "-", Body: `{"type":"ping"}`, Status: 200},
		{Name: "no room", Path: "/room/undefined/events", Key: "-", Headers: map[string]string{"Accept": "text/event-stream"}, Status: 404},
	}
	for range 2 {
		if got := g.refused(t, room); !strings.HasPrefix(got, "429 5 ") || !strings.Contains(got, `"code":"too_many_connections_per_room"`) {
			t.Errorf("the fourth got %s", got)
		}
		g.RunAll(t, full)
	}
	g.Join(t, other, "")
	// Who leaves makes room, whatever the door.
	for _, one := range []func(){func() { last.CloseNow() }, leave} {
		one()
		g.joinSoon(t, room)
		if got := g.refused(t, room); !strings.HasPrefix(got, "429 ") {
			t.Errorf("got %s", got)
		}
	}
}

// joinSoon joins once one who has left is counted out.
func (g *gateway) joinSoon(t *testing.T, room string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		ws, _, err := websocket.Dial(context.Background(), strings.Replace(g.URL, "http", "ws", 1)+"/room/"+room+"/connect", &websocket.DialOptions{HTTPClient: g.Client()})
		if err == nil {
			t.Cleanup(func() { ws.CloseNow() })
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody was counted out:", err)
		}
	}
}

// A request over the rate of a room is refused with an error, and changes nothing.
func TestRoomRateOfRequests(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.RoomRate = 10 })
	room, began := g.NewRoom(t), time.Now()
	const tries = 60
	taken := 0
	for range tries {
		got := g.Push(t, room, `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`)
		switch {
		case strings.HasPrefix(got, "200 "):
			taken++
		case !strings.HasPrefix(got, "429 ") || !strings.Contains(got, "ROOM_RATE") || !strings.Contains(got, "rate_limited"):
			t.Fatal(got)
		}
	}
	most := 10 + int(10*time.Since(began).Seconds()) + 1
	if taken < 10 || taken > most || taken == tries {
		t.Errorf("%d of %d were taken, at most %d should be", taken, tries, most)
	}
	if got := g.Push(t, room, `{"type":"get","key":"k"}`); strings.Count(got, "seq") != taken {
		t.Errorf("%d were taken, there is %s", taken, got)
	}
}
