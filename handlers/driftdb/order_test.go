package driftdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
)

// received is a message of the server, as far as tests look into it.
type received struct {
	Type, Key string
	Value     string
	Seq       uint64
	Size      int
	ID        string // of an event
	Data      []struct {
		Value string
		Seq   uint64
	}
}

func parse(t testing.TB, text string) (m received) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func pushOf(key, value, action string) string {
	return fmt.Sprintf(`{"type":"push","key":%q,"value":%q,"action":{"type":%q}}`, key, value, action)
}

// replaces are pushes of one group, of which only the last stays.
func replaces(room string, n int) *eventlog.Request {
	r := &eventlog.Request{}
	for range n {
		r.Events = append(r.Events, eventlog.Event{Space: "$room/" + room, Name: "push", Op: eventlog.Replace, Key: "k", Data: []byte(`"v"`)})
	}
	return r
}

// A client that asks again for a key gets every push of it once, as a push or in an answer, also those that were replaced
// before the answer. It gets no push after an answer that contains it.
func TestRoomAskAgain(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		wait time.Duration
		ring int // of bytes; a small one makes the reader lag, which gets what is still retained
	}{"at once": {0, 0}, "after the hold": {300 * time.Millisecond, 0}, "lagging": {0, 2000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, func(s *setup) { s.RoomConnectionRate, s.RingBytes = 1<<20, one.ring })
			room := g.NewRoom(t)
			reader, got := g.Join(t, room, "")
			time.Sleep(one.wait)
			gatewaytest.SendText(t, reader, `{"type":"get","key":"k"}`)
			gatewaytest.AwaitMessages(t, got, 1)
			const writers, rounds, each = 4, 100, 5
			var group sync.WaitGroup
			for range writers {
				group.Go(func() { // beside the door, as fast as it goes
					for range rounds {
						if _, err := g.Broker.Log().Append(context.Background(), replaces(room, each)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			done := make(chan struct{})
			go func() { group.Wait(); close(done) }()
			asked := 1
			for running := true; running; asked++ {
				select {
				case <-done:
					running = false
				default:
				}
				if gatewaytest.SendText(t, reader, `{"type":"get","key":"k"}`); asked%16 == 0 {
					taken(t, reader, got)
				}
			}
			taken(t, reader, got)
			g.Push(t, room, pushOf("fence", "", "relay"))
			for deadline := time.Now().Add(5 * time.Second); !strings.Contains(strings.Join(got(), ""), `"fence"`); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the last push did not come")
				}
			}
			inits, last, pushed := 0, uint64(0), 0
			seen := map[uint64]bool{}
			for _, one := range got() {
				switch m := parse(t, one); {
				case m.Type == "init":
					inits++
					for _, e := range m.Data {
						if e.Seq < last {
							t.Fatalf("an answer has %d after %d", e.Seq, last)
						}
						seen[e.Seq], last = true, e.Seq
					}
				case m.Key == "k" && m.Type == "push":
					if m.Seq <= last {
						t.Fatalf("%d comes after %d", m.Seq, last)
					}
					seen[m.Seq], last = true, m.Seq
					pushed++
				}
			}
			if inits != asked || last != writers*rounds*each {
				t.Fatalf("%d of %d answers came; the last push was %d", inits, asked, last)
			}
			if one.ring == 0 && len(seen) != writers*rounds*each {
				t.Fatalf("%d of %d were received", len(seen), writers*rounds*each)
			}
			t.Logf("%d heard, %d of them as pushes, %d answers", len(seen), pushed, inits)
		})
	}
}

// While pushes are held, those of keys that were asked for stay behind those that are not.
func TestRoomOrderWhileHeld(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	writer, _ := g.Join(t, room, "")
	reader, got := g.Join(t, room, "")
	gatewaytest.SendText(t, reader, `{"type":"get","key":"asked"}`)
	gatewaytest.AwaitMessages(t, got, 1)
	var want []string
	for i := range 30 {
		key, action := []string{"asked", "other", "third"}[i%3], []string{"append", "replace", "relay", "append"}[i%4]
		gatewaytest.SendText(t, writer, pushOf(key, fmt.Sprint(i), action))
		want = append(want, fmt.Sprintf(`{"type":"push","key":%q,"value":"%d","seq":%d}`, key, i, i+1))
	}
	if all := gatewaytest.AwaitMessages(t, got, 31)[1:]; strings.Join(all, "\n") != strings.Join(want, "\n") {
		t.Errorf("the pushes came as\n%s", strings.Join(all, "\n"))
	}
	// The last answer that a client asks for comes with everything that waited for it.
	late, got := g.Join(t, room, "")
	began := time.Now()
	for i, key := range []string{"other", "asked", "third"} {
		gatewaytest.SendText(t, writer, pushOf(key, fmt.Sprint("late", i), "relay"))
		gatewaytest.SendText(t, writer, pushOf(key, fmt.Sprint("late", i), "replace"))
	}
	settled := func() bool { return strings.Contains(g.Push(t, room, `{"type":"get","key":"third"}`), "late2") }
	for !settled() {
		time.Sleep(time.Millisecond)
	}
	for _, key := range []string{"third", "asked", "other"} {
		gatewaytest.SendText(t, late, fmt.Sprintf(`{"type":"get","key":%q}`, key))
	}
	taken(t, late, got)
	if time.Since(began) > 200*time.Millisecond {
		t.Log("it took too long to say whether anything was held")
		return
	}
	var order []string
	for _, one := range got() {
		if m := parse(t, one); m.Type == "init" || m.Type == "push" {
			order = append(order, fmt.Sprint(m.Type, " ", m.Key, " ", m.Seq))
		}
	}
	// The first relay comes at once, the others behind what is held; each replace is in its answer.
	if got, want := strings.Join(order, ", "), "push other 31, init third 0, init asked 0, init other 0, push asked 33, push third 35"; got != want {
		t.Errorf("it got %s\nwant %s", got, want)
	}
}

// What is held and is in no answer, as the client has said to know it, comes before the answer.
func TestRoomKnownWhileHeld(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	room := g.NewRoom(t)
	ws, got := g.Join(t, room, "")
	g.Push(t, room, pushOf("other", "a", "append"))
	g.Push(t, room, pushOf("k", "b", "append"))
	g.Push(t, room, pushOf("k", "c", "append"))
	gatewaytest.SendText(t, ws, `{"type":"get","key":"k","seq":2}`)
	taken(t, ws, got)
	want := []string{
		`{"type":"push","key":"other","value":"a","seq":1}`, `{"type":"push","key":"k","value":"b","seq":2}`, `{"type":"push","key":"k","value":"c","seq":3}`,
		`{"type":"init","key":"k","data":[{"value":"c","seq":3}]}`, `{"type":"pong","nonce":null}`,
	}
	if all := gatewaytest.AwaitMessages(t, got, len(want)); strings.Join(all, "\n") != strings.Join(want, "\n") {
		t.Errorf("it got\n%s", strings.Join(all, "\n"))
	}
}
