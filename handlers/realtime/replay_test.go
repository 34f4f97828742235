package realtime_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// Many that come back at once, each from somewhere else and far behind what is held at the head, get exactly
// what they missed, while publishing goes on.
func TestDeepResume(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) {
			s.RingBytes, s.Replays, s.PingInterval = 32<<10, 2, 20*time.Millisecond
		})
		const before, after, clients = 1000, 150, 40
		var all []mentioned
		publish := func(n int) {
			for range n {
				name := []string{"a", "b", "c"}[len(all)%3]
				all = append(all, mentioned{g.Put(t, gatewaytest.Events(1, name, 400)...)[0], name})
			}
		}
		publish(before)
		var wires []*gatewaytest.Wire
		for i := range clients {
			query := []string{"", "?channels=a", "?channels=b,c"}[i%3]
			wires = append(wires, g.Wire(t, gatewaytest.WithVersion([]string{"HTTP/1.1", "HTTP/1.0"}[i%2], gatewaytest.Get(gatewaytest.KeyAll, query, "Last-Event-ID: "+all[i*25].id+"\r\n"))))
		}
		publish(after)
		var group sync.WaitGroup
		for i, w := range wires {
			group.Go(func() {
				var want []string
				for _, m := range all[i*25+1:] {
					if strings.Contains([]string{"abc", "a", "bc"}[i%3], m.name) {
						want = append(want, m.id)
					}
				}
				var got []string
				for len(got) < len(want) {
					if err := w.Pull(16 << 10); err != nil {
						t.Errorf("client %d: %v after %d of %d", i, err, len(got), len(want))
						return
					}
					for _, e := range w.Queue {
						if len(e.Name) == 1 {
							got = append(got, e.ID)
						}
					}
					w.Queue = nil
				}
				if !slices.Equal(got, want) {
					t.Errorf("client %d did not get what it missed", i)
				}
			})
		}
		group.Wait()
	})
}

type mentioned struct{ id, name string }

// If retention overtakes a client that does not read, the stream has a gap with both ends.
func TestGapInMidStream(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) {
			s.RetainBytes, s.RingBytes, s.WriteTimeout = 1<<20, 64<<10, time.Minute
		})
		w := g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, ""))
		ids := g.Flood(t, "e", 16<<20)
		last, gaps := uint64(0), 0
		for newest := number(t, ids[len(ids)-1]); last != newest; {
			e := w.Next(t)
			id := number(t, e.ID)
			if id <= last {
				t.Fatalf("%d after %d", id, last)
			}
			switch {
			case e.Name == "gap":
				gaps++
				var gap struct {
					Data struct{ Reason, After, Oldest string }
				}
				if err := json.Unmarshal([]byte(e.Data), &gap); err != nil {
					t.Fatal(err)
				}
				if gap.Data.Reason != "expired" || last != 0 && number(t, gap.Data.After) != last || number(t, gap.Data.Oldest) <= id {
					t.Errorf("after %d: %+v", last, gap.Data)
				}
			case last != 0 && gaps == 0 && slices.Index(ids, e.ID) != slices.Index(ids, strconv.FormatUint(last, 10))+1,
				last == 0 && e.ID != ids[0]:
				t.Fatalf("%d after %d, without a gap", id, last)
			}
			last = id
		}
		if gaps == 0 {
			t.Error("no gap, though most was removed before it was read")
		}
	})
}

func number(t *testing.T, id string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
