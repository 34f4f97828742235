package driftdb_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// around calls functions around the first read of a key.
type around struct {
	eventlog.Engine
	begun         atomic.Bool
	before, after func()
}

func (a *around) Keyed(ctx context.Context, space string, key *string, f func(eventlog.Event) error) (uint64, error) {
	if key == nil || !a.begun.CompareAndSwap(false, true) {
		return a.Engine.Keyed(ctx, space, key, f)
	}
	a.before()
	defer a.after()
	return a.Engine.Keyed(ctx, space, key, f)
}

// A connection that has fallen behind the hub gets a key's entries once all the same, in its init or as pushes.
func TestGetMeetsPushesBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 150 // more than the hub keeps at hand
		for _, action := range []string{"append", "relay"} {
			engine := &around{Engine: memory.Open(memory.Options{}), after: func() {}}
			g := newGateway(t, gatewaytest.InBubble, func(s *setup) { s.Engine, s.RingBytes = engine, 2000 })
			room := g.NewRoom(t)
			push := func(key, action string, n int) {
				for i := range n {
					if got := g.Push(t, room, fmt.Sprintf(`{"type":"push","key":"%s","value":%d,"action":{"type":"%s"}}`, key, i, action)); !strings.HasPrefix(got, "200") {
						t.Error(got)
					}
				}
			}
			engine.before = func() { push("k", "append", 3) }
			engine.after = func() { push("k", action, n) }
			ws, got := g.Join(t, room, "")
			time.Sleep(300 * time.Millisecond) // the time of holding is over
			gatewaytest.SendText(t, ws, `{"type":"get","key":"k"}`)
			for deadline := time.Now().Add(10 * time.Second); len(got()) == 0 && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			push("end", "append", 1)
			for deadline := time.Now().Add(10 * time.Second); !strings.Contains(strings.Join(got(), ""), `"key":"end"`) && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			var seqs []int
			for _, text := range got() {
				var m struct {
					Type, Key string
					Seq       int
					Data      []struct{ Seq int }
				}
				if err := json.Unmarshal([]byte(text), &m); err != nil {
					t.Fatal(err)
				}
				for _, e := range m.Data {
					seqs = append(seqs, e.Seq)
				}
				if m.Type == "push" && m.Key == "k" {
					seqs = append(seqs, m.Seq)
				}
			}
			want := 3
			if action == "append" {
				want += n
			}
			sorted := slices.IsSorted(seqs)
			if len(slices.Compact(slices.Clone(seqs))) != len(seqs) || !sorted || len(seqs) != want {
				t.Errorf("%s: got the numbers %v, want 1 to %d", action, seqs, want)
			}
		}
	})
}

// The last of what is retained moves a narrowed stream's client, wherever it stands among the others.
func TestNarrowRoomStreamResumes(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	for _, key := range []string{"todo", "todo", "other"} {
		g.Push(t, room, fmt.Sprintf(`{"type":"push","key":"%s","value":1,"action":{"type":"append"}}`, key))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/room/"+room+"/events?key=todo", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := g.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	id, pushes := "", 0
	for pushes < 2 && lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			id = v
		}
		if strings.HasPrefix(lines.Text(), "data: ") {
			pushes++
		}
	}
	if pushes != 2 || id == "" {
		t.Fatalf("%d pushes, id %q: %v", pushes, id, lines.Err())
	}
}

// What a client says of itself is kept for as long as it is there, so not more than a little.
func TestPresenceIsSmall(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	for i, size := range []int{10, 100_000} {
		ws, got := g.Join(t, room, "")
		for _, n := range []int{10, size} {
			gatewaytest.SendText(t, ws, fmt.Sprintf(`{"type":"push","key":"__presence","value":{"client":"c%d","value":"%s"},"action":{"type":"relay"}}`, i, strings.Repeat("x", n)))
		}
		long, _ := g.Join(t, room, "")
		gatewaytest.SendText(t, long, fmt.Sprintf(`{"type":"push","key":"__presence","value":{"client":"%s","value":1},"action":{"type":"relay"}}`, strings.Repeat("y", size)))
		gatewaytest.AwaitMessages(t, got, 3)
	}
	want := `[{"client":"c0","value":"xxxxxxxxxx"},{"client":"c1","value":null},{"client":"yyyyyyyyyy","value":1}]`
	gatewaytest.Until(t, func() error { // a message is sent to others before it is noted
		answer, err := g.Client().Get(g.URL + "/room/" + room + "/presence")
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		if got := strings.TrimSpace(string(text)); got != want {
			err = errors.Join(err, fmt.Errorf("%d bytes: %.300s", len(got), got))
		}
		return errors.Join(err, answer.Body.Close())
	})
}

// A get without a replay has no answer, by POST neither.
func TestPostedGetWithoutReplay(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	g.Push(t, room, `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`)
	if got := g.Push(t, room, `{"type":"get","key":"k","seq":null}`); got != "200 null" {
		t.Error(got)
	}
	if got := g.Push(t, room, `{"type":"get","key":"k"}`); got != `200 {"type":"init","key":"k","data":[{"value":1,"seq":1}]}` {
		t.Error(got)
	}
}

// A browser closes a WebSocket that is sent a text which is no UTF-8, so none is taken in: stored, it would shut everybody
// out for good.
func TestRoomTakesUTF8Only(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	for _, bad := range []string{"\xff", "a\xc3", "\xed\xa0\x80"} {
		for _, message := range []string{
			`{"type":"push","key":"k","value":"` + bad + `","action":{"type":"append"}}`,
			`{"type":"push","key":"k","value":{"` + bad + `":1},"action":{"type":"relay"}}`,
			`{"type":"push","key":"` + bad + `","value":1,"action":{"type":"append"}}`,
		} {
			if got := g.Push(t, room, message); !strings.HasPrefix(got, "422") {
				t.Errorf("posted, %q: %s", message, got)
			}
			ws, _, err := websocket.Dial(t.Context(), strings.Replace(g.URL, "http", "ws", 1)+"/room/"+room+"/connect", &websocket.DialOptions{HTTPClient: g.Client()})
			if err != nil {
				t.Fatal(err)
			}
			gatewaytest.SendText(t, ws, message)
			if _, text, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusInvalidFramePayloadData {
				t.Errorf("sent, %q: %q, %v", message, text, err)
			}
			ws.CloseNow()
		}
	}
}
