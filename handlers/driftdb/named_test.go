package driftdb_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/config"
	"sluice/gateway/gatewaytest"
)

// look gets the addresses of a room.
func (g *gateway) look(t *testing.T, id string, head ...string) (status int, body string) {
	t.Helper()
	return g.Request(t, http.MethodGet, "/room/"+id, "", head...)
}

// Any well-formed id names a room where who asks may make one; else the answer is no JSON, which DriftDB's client would
// take for a room.
func TestNamedRooms(t *testing.T) {
	t.Parallel()
	for create, tt := range map[config.RoomCreate][]struct {
		id, key string
		status  int
	}{
		config.RoomsOpen: {
			{"my-room", "", 200}, {"a", "", 200}, {"_", "", 200}, {"-a", "", 200}, {"v1.2", "", 200}, {"2f1c9f6e-8d3c-4f0e-9a54-0f2b8f4b7a11", "", 200},
			{strings.Repeat("x", 128), "", 200}, {"keyed", gatewaytest.KeyAll, 200}, {"wrong", "no key of ours", 401},
			{strings.Repeat("x", 129), "", 404}, {"undefined", "", 404}, {"null", "", 404}, {"NaN", "", 404}, {".a", "", 404}, {"a%20b", "", 404}, {"a%2Fb", "", 404},
			{"a:b", "", 404}, {"a*", "", 404}, {"a,b", "", 404}, {"%00", "", 404}, {"%C3%BC", "", 404}, {"a%25b", "", 404}, {"%22", "", 404},
		},
		config.RoomsKey: {{"a", "", 404}, {"a", "no key of ours", 401}, {"a", gatewaytest.KeyAll, 200}, {"a", "", 200}, {"b", "", 404}, {"undefined", gatewaytest.KeyAll, 404}},
		config.RoomsOff: {{"a", "", 404}, {"a", gatewaytest.KeyAll, 404}},
	} {
		g := newGateway(t, func(s *setup) { s.RoomCreate = create })
		for _, one := range tt {
			var head []string
			if one.key != "" {
				head = []string{"X-Apikey", one.key}
			}
			status, body := g.look(t, one.id, head...)
			if status != one.status || json.Valid([]byte(body)) != (status == 200) {
				t.Errorf("%s: room %s with key %q: %d %s", create, one.id, one.key, status, body)
			}
		}
	}
}

// A room that is connected to, by either way, is made; what reads or sends makes none.
func TestConnectingMakesRooms(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for path, want := range map[string]string{"send": "404", "presence": "404"} {
		method := map[string]string{"send": "POST", "presence": "GET"}[path]
		r, err := http.NewRequest(method, g.URL+"/room/none/"+path, strings.NewReader(replaceOne))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if got := fmt.Sprint(answer.StatusCode); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	ws, got := g.Join(t, "socket", "")
	gatewaytest.SendText(t, ws, replaceOne)
	if all := gatewaytest.AwaitMessages(t, got, 1); !strings.Contains(all[0], `"seq":1`) {
		t.Error(all)
	}
	g.listen(t, "stream")()
	if got := g.Push(t, "stream", replaceOne); !strings.HasPrefix(got, "200 ") {
		t.Error(got)
	}
	if g.Rooms.Rooms() != 2 {
		t.Errorf("there are %d rooms", g.Rooms.Rooms())
	}
}

const replaceOne = `{"type":"push","key":"k","value":1,"action":{"type":"replace"}}`

// Those who come to a new name at once come to one room, which counts once; its numbers go on.
func TestNamedRoomIsMadeOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for i := range 10 {
		var all sync.WaitGroup
		id := fmt.Sprint("room", i)
		for range 20 {
			all.Go(func() {
				if status, body := g.look(t, id); status != 200 {
					t.Error(status, body)
				}
				g.Push(t, id, replaceOne)
			})
		}
		all.Wait()
		if got := g.Push(t, id, `{"type":"get","key":"k"}`); !strings.Contains(got, `"seq":20}`) {
			t.Error(got)
		}
	}
	if g.Rooms.Rooms() != 10 {
		t.Errorf("there are %d rooms", g.Rooms.Rooms())
	}
}

// Rooms by name are made by the same bounds as those of POST /new, and refusals are no JSON.
func TestNamedRoomsAreBounded(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*setup){
		"429 rate_limited: ":   func(s *setup) { s.RoomCreateRate = 3 },
		"503 too_many_rooms: ": func(s *setup) { s.MaxRooms = 3 },
	} {
		g := newGateway(t, change)
		for i := range 5 {
			status, body := g.look(t, fmt.Sprint("room", i))
			if got := fmt.Sprint(status, " ", body); i < 3 && status != 200 || i >= 3 && !strings.HasPrefix(got, want) {
				t.Errorf("room %d: %s", i, got)
			}
		}
		if status, body := g.look(t, "room0"); status != 200 {
			t.Error("one that is there:", status, body)
		}
		if _, answer, err := websocket.Dial(t.Context(), strings.Replace(g.URL, "http", "ws", 1)+"/room/other/connect", nil); err == nil || fmt.Sprint(answer.StatusCode) != want[:3] {
			t.Error("a WebSocket:", err)
		}
	}
}

// A dropped room lives again when its old id is opened.
func TestDroppedRoomLivesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.InBubble, func(s *setup) { s.RoomRetention = time.Second })
		room := g.NewRoom(t)
		g.Push(t, room, replaceOne)
		for deadline := time.Now().Add(20 * time.Second); strings.HasPrefix(g.Push(t, room, `{"type":"ping"}`), "200"); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the old room is still there")
			}
		}
		if status, body := g.look(t, room); status != 200 || !strings.Contains(body, `"room":"`+room+`"`) {
			t.Error(status, body)
		}
		ws, got := g.Join(t, room, "")
		gatewaytest.SendText(t, ws, `{"type":"get","key":"k"}`)
		gatewaytest.AwaitMessages(t, got, 1) // the answer to a get may have what is pushed right behind it
		gatewaytest.SendText(t, ws, replaceOne)
		if all := gatewaytest.AwaitMessages(t, got, 2); all[0] != `{"type":"init","key":"k","data":[]}` || !strings.Contains(all[1], `"seq":1`) {
			t.Error(all)
		}
	})
}

// What fetch asks for a new room is refused in text, as DriftDB's client would take JSON for the room.
func TestRefusalsOfNewRooms(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.RoomCreate = config.RoomsOff })
	g.RunAll(t, []scenario{
		{Name: "fetch", Method: "POST", Path: "/new", Key: "-", Headers: map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "*/*"}, Status: 403, Has: []string{"forbidden: rooms are off"}},
		{Name: "fetch of JSON", Method: "POST", Path: "/new", Key: "-", Headers: map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "application/json"}, Status: 403, Has: []string{`"code":"forbidden"`}},
		{Name: "others", Method: "POST", Path: "/new", Key: "-", Status: 403, Has: []string{`"code":"forbidden"`}},
	})
}
