package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/broker/sse/ssetest"
)

// crashRounds is 2 in CI; make crash runs 20.
func crashRounds(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("CRASH_ROUNDS"))
	if err != nil {
		return 2
	}
	t.Logf("%d rounds", n)
	return n
}

// acknowledged are events by id: who published them.
type acknowledged struct {
	mu     sync.Mutex
	events map[uint64]string
}

func (a *acknowledged) add(t *testing.T, id uint64, what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if before, twice := a.events[id]; twice {
		t.Errorf("id %d was given to %s and to %s", id, before, what)
	}
	a.events[id] = what
}

// TestKill: 16 publishers of small events, kill -9 in mid-write. Nothing acknowledged is lost, no id
// is given out twice, and a client that resumes before any new publish gets everything, without a gap.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, durability := range []string{"process", "disk"} {
		t.Run(durability, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			acked := &acknowledged{events: map[uint64]string{}}
			env := []string{keysSetting, "DURABILITY=" + durability}
			s := start(t, dir, env...)
			from := firstID(t, s)
			for round := range crashRounds(t) {
				killUnderLoad(t, s, acked, round)
				s = start(t, dir, env...)
				checkReplay(t, s, from, acked)
			}
			t.Logf("%d acknowledged", len(acked.events))
			if len(acked.events) < 100 {
				t.Errorf("only %d events were acknowledged: the test tests nothing", len(acked.events))
			}
		})
	}
}

func killUnderLoad(t *testing.T, s *server, acked *acknowledged, round int) {
	var group sync.WaitGroup
	for p := range 16 {
		group.Go(func() {
			for n := 0; ; n++ {
				what := fmt.Sprintf("%d-%d-%d", round, p, n)
				status, text, err := s.post(`{"event":"e","data":"` + what + `"}`)
				if err != nil {
					return // killed
				}
				var answer struct{ ID string }
				if status != 200 || json.Unmarshal([]byte(text), &answer) != nil {
					t.Errorf("%d %s", status, text)
					return
				}
				id, err := strconv.ParseUint(answer.ID, 10, 64)
				if err != nil {
					t.Error(err)
					return
				}
				acked.add(t, id, what)
			}
		})
	}
	time.Sleep(time.Duration(700+100*(round%7)) * time.Millisecond)
	s.stop(t, syscall.SIGKILL)
	group.Wait()
	s.verify(t)
}

func firstID(t *testing.T, s *server) string {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for e := range frames(t, s.get(t, ctx, "").Body) {
		return e.ID
	}
	t.Fatal("no init")
	return ""
}

// checkReplay resumes from the beginning, before anything new is published, until all is there.
func checkReplay(t *testing.T, s *server, from string, acked *acknowledged) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	missing := make(map[uint64]string, len(acked.events))
	for id, what := range acked.events {
		missing[id] = what
	}
	last := uint64(0)
	for e := range frames(t, s.get(t, ctx, "?lastEventId="+from).Body) {
		id, _ := strconv.ParseUint(e.ID, 10, 64)
		switch e.Name {
		case "gap":
			t.Errorf("a gap: %s", e.Data)
		case "e":
			if id <= last {
				t.Errorf("id %d after %d", id, last)
			}
			last = id
			if what, ok := missing[id]; ok && e.Data != `{"event":"e","data":"`+what+`"}` {
				t.Errorf("id %d was %s and is %s", id, what, e.Data)
			}
			delete(missing, id)
		}
		if len(missing) == 0 {
			return
		}
	}
	t.Errorf("%d acknowledged events are lost", len(missing))
}

// frames reads a stream's events until it ends.
func frames(t *testing.T, answer interface{ Read([]byte) (int, error) }) func(func(ssetest.Event) bool) {
	return func(yield func(ssetest.Event) bool) {
		var p ssetest.Parser
		buf := make([]byte, 64<<10)
		for {
			n, err := answer.Read(buf)
			events, perr := p.Feed(buf[:n])
			if perr != nil {
				t.Error(perr)
				return
			}
			for _, e := range events {
				if !yield(e) {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}
