package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"
)

// retracts are events that were published and retracted while the gateway was killed.
type retracts struct {
	mu    sync.Mutex
	kept  map[string]bool   // ids that nobody has retracted
	asked map[string]bool   // ids whose retraction has no answer
	gone  map[string]string // ids that are retracted, with the ids of the retractions
}

func (r *retracts) note(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// idOf sends a request whose answer is an id. It returns false once the gateway is gone.
func idOf(t *testing.T, s *server, method, path, body string) (string, bool) {
	text, err := s.ask(t, method, path, body)
	if err != nil {
		return "", false
	}
	var answer struct{ ID string }
	if json.Unmarshal([]byte(text), &answer) != nil || answer.ID == "" {
		t.Errorf("%s %s: %s", method, path, text)
		return "", false
	}
	return answer.ID, true
}

// TestKillRetract: kill -9 while events are retracted. What was acknowledged stays retracted, and every other event is there as
// a whole, or its retraction is.
func TestKillRetract(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{keysSetting, "RETAIN_BYTES=4MiB"} // several parts of 128 KiB
	s := start(t, dir, env...)
	r := &retracts{kept: map[string]bool{}, asked: map[string]bool{}, gone: map[string]string{}}
	for round := range crashRounds(t) {
		enough := make(chan struct{})
		var group sync.WaitGroup
		var once sync.Once
		for range 8 {
			group.Go(func() {
				for n := 0; ; n++ {
					id, ok := idOf(t, s, http.MethodPost, "/realtime", fmt.Sprintf(`{"event":"e","stream":"s","data":"%01000d"}`, n))
					if !ok {
						return
					}
					if n%3 == 0 {
						r.note(func() { r.kept[id] = true })
						continue
					}
					r.note(func() { r.asked[id] = true })
					by, ok := idOf(t, s, http.MethodDelete, "/realtime?id="+id, "")
					if !ok {
						return
					}
					r.note(func() {
						delete(r.asked, id)
						if r.gone[id] = by; len(r.gone) >= (round+1)*100 {
							once.Do(func() { close(enough) })
						}
					})
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Error("100 events were not retracted in a minute")
		}
		s.stop(t, syscall.SIGKILL)
		group.Wait()
		s.verify(t)
		s = start(t, dir, env...)
		r.check(t, s)
	}
}

// check reads the stream from the beginning.
func (r *retracts) check(t *testing.T, s *server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	there, said := map[string]bool{}, map[string]string{}
	for e := range frames(t, s.get(t, ctx, "?stream=s&until=caught-up").Body) {
		switch e.Name {
		case "gap":
			t.Errorf("a gap: %s", e.Data)
		case "e":
			there[e.ID] = true
		case "retract":
			var is struct{ Data struct{ ID string } }
			if err := json.Unmarshal([]byte(e.Data), &is); err != nil || said[is.Data.ID] != "" {
				t.Errorf("%s: %v", e.Data, err)
			}
			said[is.Data.ID] = e.ID
		}
	}
	for id := range r.kept {
		if !there[id] || said[id] != "" {
			t.Errorf("event %s, which nobody has retracted, is lost", id)
		}
	}
	for id, by := range r.gone {
		if there[id] || said[id] != by {
			t.Errorf("event %s was retracted by %s; there is %v, and %q", id, by, there[id], said[id])
		}
	}
	for id := range r.asked {
		if there[id] == (said[id] != "") {
			t.Errorf("event %s is there, and so is its retraction, or neither: %v %q", id, there[id], said[id])
		}
	}
}
