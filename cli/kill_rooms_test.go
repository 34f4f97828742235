package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/broker/sse/ssetest"
)

// pushed is a push of a room's stream. Values count: a number n stands for one entry, a text "n" for all up to n.
type pushed struct {
	Key   string
	Value any
	Seq   uint64
}

// counts is what a reader makes of pushes: how far each key has counted, by number.
type counts struct {
	last string // id
	max  uint64 // number
	seq  map[string]uint64
	n    map[string]int
}

// take takes a push; those seen are skipped, as Reducer does.
func (c *counts) take(p pushed) error {
	c.max = max(c.max, p.Seq)
	if p.Seq <= c.seq[p.Key] {
		return nil
	}
	c.seq[p.Key] = p.Seq
	switch v := p.Value.(type) {
	case string:
		n, err := strconv.Atoi(v)
		c.n[p.Key] = n
		return err
	case float64:
		if n := c.n[p.Key]; strings.HasPrefix(p.Key, "log") && int(v) != n+1 {
			return fmt.Errorf("%s: %v comes after %d", p.Key, v, n)
		}
		c.n[p.Key] = int(v)
	}
	return nil
}

func (s *server) send(room, key string, value any, action string) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	return s.say(room, fmt.Sprintf(`{"type":"push","key":"%s","value":%s,"action":%s}`, key, text, action))
}

func (s *server) say(room, message string) (string, error) {
	answer, err := http.Post(s.url+"/room/"+room+"/send", "application/json", strings.NewReader(message))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return string(body), err
}

// follow reads a room's stream into c, until it ends or done says so.
func (s *server) follow(t *testing.T, room string, c *counts, done func() bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/room/"+room+"/events", nil)
	if err != nil {
		t.Error(err)
		return
	}
	if c.last != "" {
		r.Header.Set("Last-Event-ID", c.last)
	}
	answer, err := streams.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	var parser ssetest.Parser
	piece := make([]byte, 64<<10)
	for {
		n, err := answer.Body.Read(piece)
		events, bad := parser.Feed(piece[:n])
		if bad != nil {
			t.Error(bad)
		}
		for _, e := range events {
			if e.Name == "gap" {
				c.seq, c.n = map[string]uint64{}, map[string]int{}
			}
			var p pushed
			if e.Name != "push" {
				continue
			}
			if err := json.Unmarshal([]byte(e.Data), &p); err != nil {
				t.Error(err)
			}
			if err := c.take(p); err != nil {
				t.Error(err)
			}
			c.last = e.ID
		}
		if err != nil || done() {
			return
		}
	}
}

// TestKillRooms: kill -9 while a room is pushed to, replaced, relayed and compacted. Nothing acknowledged is lost, what is
// compacted is whole, numbers go on behind all that anybody has seen, and who resumes misses nothing.
func TestKillRooms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{keysSetting, "ROOM_CREATE=open"}
	s := start(t, dir, env...)
	answer, err := http.Post(s.url+"/new", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Room string }
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	room := made.Room
	reader := &counts{seq: map[string]uint64{}, n: map[string]int{}}
	acked := map[string]int{}
	var mu sync.Mutex
	for round := range crashRounds(t) {
		var group sync.WaitGroup
		write := func(key, action string) {
			mu.Lock()
			n := acked[key]
			mu.Unlock()
			for {
				n++
				if _, err := s.send(room, key, n, action); err != nil {
					return // killed
				}
				mu.Lock()
				acked[key] = n
				mu.Unlock()
			}
		}
		for _, key := range []string{"log-a", "log-b", "log-c"} {
			group.Go(func() { write(key, `{"type":"append"}`) })
		}
		group.Go(func() { write("cell", `{"type":"replace"}`) })
		group.Go(func() { write("signal", `{"type":"relay"}`) })
		group.Go(func() { // compacts what it knows
			for {
				text, err := s.say(room, `{"type":"get","key":"log-a"}`)
				if err != nil {
					return
				}
				var init struct{ Data []pushed }
				if err := json.Unmarshal([]byte(text), &init); err != nil {
					t.Error(err)
					return
				}
				known := &counts{seq: map[string]uint64{}, n: map[string]int{}}
				for _, p := range init.Data {
					p.Key = "log-a"
					if err := known.take(p); err != nil {
						t.Error("in an init:", err)
					}
				}
				if known.max == 0 {
					continue
				}
				if _, err := s.send(room, "log-a", fmt.Sprint(known.n["log-a"]), fmt.Sprintf(`{"type":"compact","seq":%d}`, known.max)); err != nil {
					return
				}
			}
		})
		group.Go(func() { s.follow(t, room, reader, func() bool { return false }) })
		time.Sleep(time.Duration(700+100*(round%7)) * time.Millisecond)
		s.stop(t, syscall.SIGKILL)
		s.verify(t)
		group.Wait()
		s = start(t, dir, env...)
		// The last word, so that every reader knows when it has all.
		text, err := s.send(room, "mark", round, `{"type":"replace"}`)
		if err != nil {
			t.Fatal(text, err)
		}
		fresh := &counts{seq: map[string]uint64{}, n: map[string]int{}}
		for name, c := range map[string]*counts{"who resumes": reader, "who comes": fresh} {
			seen, before := c.seq["mark"], c.max
			s.follow(t, room, c, func() bool { return c.seq["mark"] > seen })
			if c.seq["mark"] <= before {
				t.Errorf("%s: the number %d came after %d", name, c.seq["mark"], before)
			}
			for key, n := range acked {
				if key != "signal" && c.n[key] < n {
					t.Errorf("%s: %s has %d, %d was acknowledged", name, key, c.n[key], n)
				}
			}
		}
		for key := range acked {
			if key != "signal" && reader.n[key] != fresh.n[key] {
				t.Errorf("%s: who resumed has %d, who came %d", key, reader.n[key], fresh.n[key])
			}
			acked[key] = fresh.n[key]
		}
		t.Logf("round %d: %v, numbers to %d", round, acked, fresh.max)
	}
}
