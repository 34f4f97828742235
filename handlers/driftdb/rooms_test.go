package driftdb_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/gateway/gatewaytest"
)

func TestRoomRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	send := "/room/" + room + "/send"
	g.RunAll(t, []scenario{
		{Name: "look", Path: "/room/" + room, Key: "-", Status: 200, Has: []string{`"room":"` + room, `"socket_url":"ws://127.0.0.1:`, "/connect", `"http_url":"http://127.0.0.1:`, "/send"}},
		{Name: "unknown presence", Path: "/room/nope/presence", Key: "-", Status: 404, Has: []string{`"message"`}},
		{Name: "unknown send", Path: "/room/nope/send", Key: "-", Body: "{}", Status: 404},
		{Name: "no JSON", Path: send, Key: "-", Body: "{", Status: 422},
		{Name: "no type", Path: send, Key: "-", Body: "{}", Status: 422},
		{Name: "no action", Path: send, Key: "-", Body: `{"type":"push","key":"k","value":1}`, Status: 422},
		{Name: "no value", Path: send, Key: "-", Body: `{"type":"push","key":"k","action":{"type":"append"}}`, Status: 422},
		{Name: "no key", Path: send, Key: "-", Body: `{"type":"push","value":1,"action":{"type":"append"}}`, Status: 422},
		{Name: "compact without seq", Path: send, Key: "-", Body: `{"type":"push","key":"k","value":1,"action":{"type":"compact"}}`, Status: 422},
		{Name: "compact ahead", Path: send, Key: "-", Body: `{"type":"push","key":"k","value":1,"action":{"type":"compact","seq":7}}`, Status: 422},
		{Name: "null", Path: send, Key: "-", Body: `{"type":"push","key":"k","value":null,"action":{"type":"append"}}`, Status: 200, Has: []string{"null"}},
		{Name: "pong", Path: send, Key: "-", Body: `{"type":"ping","nonce":17}`, Status: 200, Has: []string{`{"type":"pong","nonce":17}`}},
		{Name: "too large a room", Path: send, Key: "-", Body: `{"type":"push","key":"k","value":"` + strings.Repeat("x", 1<<20-100) + `","action":{"type":"append"}}`, Status: 413, Has: []string{"MAX_ROOM_BYTES"}},
		{Name: "preflight", Method: "OPTIONS", Path: "/new", Key: "-", Headers: map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}, Status: 204,
			ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "*"}},
	})
	for i := range 101 {
		got := g.Push(t, room, fmt.Sprintf(`{"type":"push","key":"%d","value":1,"action":{"type":"replace"}}`, i))
		if want := map[bool]string{true: "200", false: "413"}[i < 99]; !strings.HasPrefix(got, want) {
			t.Fatalf("key %d: %s", i, got)
		}
	}
}

func TestRoomSockets(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.MaxConnectionsPerKey = 1 }) // which is for credentials
	room := g.NewRoom(t)
	a, gotA := g.Join(t, room, "")
	b, gotB := g.Join(t, room, "")
	gatewaytest.SendText(t, a, `{"type":"get","key":"k","seq":0}`)
	gatewaytest.SendText(t, b, `{"type":"get","key":"k"}`)
	gatewaytest.AwaitMessages(t, gotA, 1)
	gatewaytest.AwaitMessages(t, gotB, 1)
	gatewaytest.SendText(t, a, `{"type":"push","key":"k","value":{"n":1},"action":{"type":"append"}}`)
	gatewaytest.SendText(t, a, `{"type":"push","key":"k","value":2,"action":{"type":"append"}}`)
	gatewaytest.AwaitMessages(t, gotA, 4) // a stream_size comes after its echo, but may come after later pushes too
	gatewaytest.SendText(t, a, `{"type":"push","key":"k","value":3,"action":{"type":"relay"}}`)
	gatewaytest.AwaitMessages(t, gotA, 6)
	gatewaytest.SendText(t, a, `{"type":"push","key":"k","value":"c","action":{"type":"compact","seq":1}}`)
	gatewaytest.SendText(t, a, `{"type":"ping"}`)
	gatewaytest.SendText(t, a, `nonsense`)
	gatewaytest.SendText(t, a, `{"type":"get","key":"k"}`)
	want := []string{
		`{"type":"init","key":"k","data":[]}`,
		`{"type":"push","key":"k","value":{"n":1},"seq":1}`,
		`{"type":"push","key":"k","value":2,"seq":2}`, `{"type":"stream_size","key":"k","size":2}`,
		`{"type":"push","key":"k","value":3,"seq":3}`, `{"type":"stream_size","key":"k","size":2}`,
		`{"type":"stream_size","key":"k","size":2}`, `{"type":"pong","nonce":null}`,
	}
	all := gatewaytest.AwaitMessages(t, gotA, len(want)+2)
	if got := strings.Join(all[:len(want)], "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the sender got\n%s", got)
	}
	if !strings.HasPrefix(all[len(want)], `{"type":"error","message":"Could not decode message: `) || all[len(want)+1] != `{"type":"init","key":"k","data":[{"value":"c","seq":1},{"value":2,"seq":2}]}` {
		t.Errorf("%q", all[len(want):])
	}
	want = []string{want[0], want[1], want[2], want[4]}
	if got := strings.Join(gatewaytest.AwaitMessages(t, gotB, 4), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the other got\n%s", got)
	}
	// A client that asks for nothing gets the pushes too, when the delay is over.
	_, gotC := g.Join(t, room, "")
	gatewaytest.SendText(t, a, `{"type":"push","key":"other","value":4,"action":{"type":"replace"}}`)
	if got := gatewaytest.AwaitMessages(t, gotC, 1); got[0] != `{"type":"push","key":"other","value":4,"seq":4}` {
		t.Errorf("%q", got)
	}
	_, debug := g.Join(t, room, "?debug=true")
	gatewaytest.AwaitMessages(t, debug, 2)
	gatewaytest.SendText(t, a, `{"type":"push","key":"k","value":"d","action":{"type":"compact","seq":2}}`)
	if got := gatewaytest.AwaitMessages(t, debug, 3); got[2] != `{"type":"init","key":"k","data":[{"value":"d","seq":2}]}` {
		t.Errorf("%q", got)
	}
	if list := g.AsAdmin(t, "GET", "/admin/connections", "", 200); strings.Contains(fmt.Sprint(list), room) {
		t.Errorf("the room's id is listed: %v", list)
	}
}

// TestRoomModel: whatever is pushed and compacted while streams join, cut and resume, each ends with the state that
// a list has, by number.
func TestRoomModel(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.RingBytes = 2000 })
	type entry struct {
		value string
		seq   uint64
	}
	// state is what a reader makes of entries: a reset begins anew, all others are added; those seen are skipped.
	apply := func(state []string, last uint64, e entry) ([]string, uint64) {
		if e.seq <= last {
			return state, last
		}
		if strings.HasPrefix(e.value, "reset") {
			return strings.Split(e.value, ",")[1:], e.seq
		}
		return append(append([]string{}, state...), e.value), e.seq
	}
	rapid.Check(t, func(rt *rapid.T) {
		room := g.NewRoom(t)
		var truth []string
		seq := uint64(0)
		states := map[uint64][]string{0: nil}
		type reader struct {
			last  string
			state []string
			seq   uint64
		}
		readers := []*reader{{}, {}}
		read := func(r *reader, settle bool) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/room/"+room+"/events", nil)
			if err != nil {
				rt.Fatal(err)
			}
			if r.last != "" {
				q.Header.Set("Last-Event-ID", r.last)
			}
			transport := g.Client().Transport.(*http.Transport).Clone()
			defer transport.CloseIdleConnections()
			answer, err := (&http.Client{Transport: transport}).Do(q)
			if err != nil {
				rt.Fatal(err)
			}
			defer answer.Body.Close()
			lines := bufio.NewScanner(answer.Body)
			lines.Buffer(nil, 1<<20)
			id := ""
			for r.seq < seq || len(r.state) != len(truth) {
				if !lines.Scan() {
					rt.Fatalf("it ended at %d of %d: %v", r.seq, seq, lines.Err())
				}
				if v, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
					id = v
				}
				if v, ok := strings.CutPrefix(lines.Text(), "data: {\"type\":\"push\""); ok {
					var e struct {
						Value string
						Seq   uint64
					}
					if err := json.Unmarshal([]byte(`{"a":1`+v), &e); err != nil {
						rt.Fatal(err)
					}
					r.state, r.seq = apply(r.state, r.seq, entry{e.Value, e.Seq})
				}
				if lines.Text() == "" && id != "" {
					r.last, id = id, ""
					if !settle {
						return
					}
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(rt, "n") {
					seq++
					truth = append(append([]string{}, truth...), fmt.Sprint("v", seq))
					states[seq] = truth
					g.Push(t, room, fmt.Sprintf(`{"type":"push","key":"k","value":"v%d","action":{"type":"append"}}`, seq))
				}
			},
			"compact": func(rt *rapid.T) {
				if seq == 0 {
					return // nothing
				}
				at := rapid.Uint64Range(max(1, seq-min(seq, 10)), seq).Draw(rt, "at")
				text, _ := json.Marshal("reset," + strings.Join(states[at], ","))
				g.Push(t, room, fmt.Sprintf(`{"type":"push","key":"k","value":%s,"action":{"type":"compact","seq":%d}}`, text, at))
			},
			"read": func(rt *rapid.T) {
				read(rapid.SampledFrom(readers).Draw(rt, "reader"), rapid.Bool().Draw(rt, "to the end"))
			},
			"join": func(rt *rapid.T) { *rapid.SampledFrom(readers).Draw(rt, "reader") = reader{} },
		})
		for _, r := range append(readers, &reader{}) {
			read(r, true)
			if strings.Join(r.state, ",") != strings.Join(truth, ",") {
				rt.Fatalf("a reader has %v, want %v", r.state, truth)
			}
		}
	})
}

// A grant that names a room opens it on /realtime; a star does not.
func TestRoomOverRealtime(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	key := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"room","sub":["$room/`+room+`"]}`, 201)["key"].(string)
	g.Push(t, room, `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`)
	star, stopStar := g.StreamEvents(t, gatewaytest.KeyAll)
	defer stopStar()
	gatewaytest.NextOf(t, star, "init")
	events, stop := g.StreamEvents(t, key)
	defer stop()
	gatewaytest.NextOf(t, events, "init")
	g.Push(t, room, `{"type":"push","key":"k","value":2,"action":{"type":"append"}}`)
	e := gatewaytest.NextOf(t, events, "push")
	if want := `{"event":"push","data":{"type":"push","key":"k","value":2,"seq":2}}`; e.Data != want {
		t.Errorf("got %s, want %s", e.Data, want)
	}
	past := g.History(t, key, "?until=caught-up")
	if len(past.IDs) != 2 || past.IDs[1] != e.ID {
		t.Errorf("the past is %v, the last push %s", past.IDs, e.ID)
	}
	g.Publish(t, `{"event":"goal"}`)
	if e := gatewaytest.NextOf(t, star, "goal"); !strings.Contains(e.Data, "goal") {
		t.Errorf("%+v", e)
	}
}

// Rooms without messages are dropped, but not while somebody is in them.
func TestOldRooms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.InBubble, func(s *setup) { s.RoomRetention = time.Second })
		room, other := g.NewRoom(t), g.NewRoom(t)
		g.Push(t, room, `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`)
		_, got := g.Join(t, other, "")
		for deadline := time.Now().Add(20 * time.Second); strings.HasPrefix(g.Push(t, room, `{"type":"ping"}`), "200"); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the old room is still there")
			}
		}
		g.Push(t, other, `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`)
		if all := gatewaytest.AwaitMessages(t, got, 1); !strings.Contains(all[0], `"seq":1`) {
			t.Errorf("%q", all)
		}
	})
}
