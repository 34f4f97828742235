package driftdb_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/config"
	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog/pebble"
)

// makeRoom tries to make a room, and gives status, Retry-After and answer.
func (g *gateway) makeRoom(t *testing.T) string {
	t.Helper()
	answer, err := g.Client().Post(g.URL+"/new", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("Retry-After"), " ", string(text))
}

const noMoreRooms = `503 60 {"message":"the gateway has as many rooms as MAX_ROOMS allows; try again when some have been silent for ROOM_RETENTION, or raise MAX_ROOMS","code":"too_many_rooms"}` + "\n"

// MAX_ROOMS holds for those who come at once, and after a restart.
func TestMaxRooms(t *testing.T) {
	t.Parallel()
	const most, tries = 20, 60
	fs := vfs.NewMem()
	open := func(rooms int) *gateway {
		engine, err := pebble.Open(pebble.Options{Dir: "data", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		return newGateway(t, func(s *setup) { s.Engine, s.MaxRooms = engine, rooms })
	}
	g := open(most)
	var made atomic.Int64
	var all sync.WaitGroup
	for range tries {
		all.Go(func() {
			switch got := g.makeRoom(t); {
			case strings.HasPrefix(got, `200  {"room":"`):
				made.Add(1)
			case got != noMoreRooms:
				t.Error(got)
			}
		})
	}
	all.Wait()
	if made.Load() != most {
		t.Errorf("%d were made", made.Load())
	}
	for range 2 { // a refusal counts for nothing
		if got := g.makeRoom(t); got != noMoreRooms {
			t.Error(got)
		}
	}
	g.Stop(t)
	g = open(most)
	if got := g.makeRoom(t); got != noMoreRooms {
		t.Errorf("after a restart: %s", got)
	}
	g.Stop(t)
	g = open(most + 1)
	if got := g.makeRoom(t); !strings.HasPrefix(got, "200 ") {
		t.Errorf("with one more allowed: %s", got)
	}
	if got := g.makeRoom(t); got != noMoreRooms {
		t.Errorf("and another: %s", got)
	}
}

// Rooms that end make place, one each.
func TestEndedRoomsMakePlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.InBubble, func(s *setup) { s.RoomRetention, s.MaxRooms = time.Second, 3 })
		kept := g.NewRoom(t)
		g.Join(t, kept, "")
		for range 2 {
			g.NewRoom(t)
			g.NewRoom(t)
			for deadline := time.Now().Add(20 * time.Second); g.Rooms.Rooms() > 1; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("there are still %d rooms", g.Rooms.Rooms())
				}
			}
		}
	})
}

// A client that makes rooms too fast gets a Retry-After. A client that may not make any gets a refusal.
func TestRoomCreateRate(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.RoomCreate, s.RoomCreateRateKey = config.RoomsKey, 5 })
	var all []scenario
	for range 10 {
		all = append(all, scenario{Name: "nobody", Method: "POST", Path: "/new", Key: "-", Status: 401})
	}
	all = append(all, scenario{Name: "a page of another site", Method: "POST", Path: "/new", Key: gatewaytest.KeyOrigin, Headers: map[string]string{"Origin": "https://b.example"}, Status: 403, Has: []string{`"code":"origin_not_allowed"`}})
	for _, key := range []string{gatewaytest.KeyAll, gatewaytest.KeyPut} {
		for range 5 {
			all = append(all, scenario{Name: "in time", Method: "POST", Path: "/new", Key: key, Status: 200, Has: []string{`"room":"`}})
		}
		all = append(all,
			scenario{Name: "too fast", Method: "POST", Path: "/new", Key: key, Status: 429, ResponseHeaders: map[string]string{"Retry-After": "12"},
				Has: []string{`{"message":"more than 5 rooms a minute with this credential (ROOM_CREATE_RATE_KEY); slow down","code":"rate_limited"}`}})
	}
	g.RunAll(t, all)
}

// Where anybody may make rooms, an address has a rate, all addresses another, and who sends a credential one of its own.
func TestOpenRoomCreateRate(t *testing.T) {
	t.Parallel()
	make := func(name, key string, status int, has string) scenario {
		one := scenario{Name: name, Method: "POST", Path: "/new", Key: key, Status: status, Has: []string{has}}
		if status == 429 {
			one.ResponseHeaders = map[string]string{"Retry-After": "*any*"}
		}
		return one
	}
	for name, tt := range map[string]struct {
		address, all int
		message      string
	}{
		"an address": {3, 100, "more than 3 rooms a minute from this address (ROOM_CREATE_RATE); slow down, and behind a proxy set TRUSTED_PROXIES"},
		"all":        {100, 3, "all clients without a credential make more than 3 rooms a minute (ROOM_CREATE_RATE_ALL); try again later, or send an API key or a token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, func(s *setup) { s.RoomCreateRate, s.RoomCreateRateAll, s.RoomCreateRateKey = tt.address, tt.all, 4 })
			all := []scenario{make("a wrong key", "wrong", 401, `"code":`)}
			for range 3 {
				all = append(all, make("in time", "-", 200, `"room":"`))
			}
			all = append(all, make("too fast", "-", 429, `{"message":"`+tt.message+`","code":"rate_limited"}`),
				scenario{Name: "an EventSource", Path: "/room/new/events", Key: "-", Headers: map[string]string{"Accept": "text/event-stream"}, Status: 200,
					Has: []string{"retry: ", "\nevent: busy\ndata: ", `"status":429`, tt.message}},
				scenario{Name: "another client of its stream", Path: "/room/new/events", Key: "-", Status: 429, Has: []string{tt.message}, ResponseHeaders: map[string]string{"Retry-After": "*any*"}})
			for range 4 {
				all = append(all, make("with a key", gatewaytest.KeyAll, 200, `"room":"`))
			}
			all = append(all, make("too fast with it", gatewaytest.KeyAll, 429, "ROOM_CREATE_RATE_KEY"))
			g.RunAll(t, all)
		})
	}
}
