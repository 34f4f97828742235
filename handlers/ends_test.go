package handlers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// However a client leaves, it is noticed at once: nothing is published here, and no ping is near.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		for name, leave := range map[string]func(*wire) error{
			"close":      func(w *wire) error { return w.Close() },
			"half close": func(w *wire) error { return w.CloseWrite() },
			"reset": func(w *wire) error {
				if err := w.SetLinger(0); err != nil {
					return err
				}
				return w.Close()
			},
		} {
			g := newGateway(t, writer)
			for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
				w := g.wire(t, over(version, get(keyAll, "")))
				g.await(t, 1)
				if err := leave(w); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				g.await(t, 0)
			}
			g.metric(t, "sluice_connections 0")
			g.metric(t, `sluice_streams_ended_total{reason="gone"} 2`)
			if g.Broker.Views() != 0 {
				t.Errorf("%s: %d views are left", name, g.Broker.Views())
			}
		}
	})
}

// A client that takes no byte for the time allowed is closed as slow; one that takes some, again and again,
// may be as slow as it likes.
func TestSlowAndSteady(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		// It is to be longer than a loaded machine, or TCP's timer for closed windows, may keep the steady one from its turn.
		const timeout = 3 * time.Second
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = timeout })
		stalled, steady := g.wire(t, get(keyAll, "")), g.wire(t, get(keyAll, ""))
		ids := g.flood(t, "e", 12<<20)
		started := time.Now()
		for steady.parser.LastEventID() != ids[len(ids)-1] {
			if err := steady.pull(32 << 10); err != nil {
				t.Fatalf("%v after %d bytes", err, len(steady.text))
			}
			if time.Since(started) < timeout*3/2 {
				time.Sleep(20 * time.Millisecond)
			}
		}
		if steady.ids("e") != strings.Join(ids, " ") {
			t.Errorf("got %d events, some lost, repeated or out of order", len(steady.queue))
		}
		g.await(t, 1)
		g.metric(t, `sluice_streams_ended_total{reason="slow"} 1`)
		if err := stalled.toEnd(); err == nil || err == io.EOF {
			t.Errorf("the stalled one ended as if it were whole: %v", err)
		}
	})
}

// Draining ends what reads with a last frame, the last chunk and the connection's end, without the client
// having to close first; one that is blocked holds it up for a moment only.
func TestDrainShared(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.Shards, s.WriteTimeout = 2, time.Minute })
	var reading []*wire
	for _, request := range []string{
		get(keyAll, "?channels=small"), get(keyAll, "?channels=small", "Connection: close\r\n"),
		over("HTTP/1.0", get(keyAll, "?channels=small")),
	} {
		reading = append(reading, g.wire(t, request))
	}
	blocked := g.wire(t, get(keyAll, "?channels=big"))
	g.flood(t, "big", 12<<20)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- g.Traffic.Drain(ctx, g.Broker) }()
	for _, w := range reading {
		if err := w.toEnd(); err != io.EOF {
			t.Errorf("%s: %v", w.answer.Proto, err)
		}
		last := w.queue[len(w.queue)-1]
		if last.Name != "busy" || last.Retry < time.Second || last.Retry > 11*time.Second || bytes.Contains(w.text, []byte("event: busy\nid:")) {
			t.Errorf("%s: %+v", w.answer.Proto, last)
		}
		w.atEOF(t)
	}
	if err := <-done; err != nil {
		t.Errorf("the blocked one held it up: %v", err)
	}
	if err := blocked.toEnd(); err == io.EOF && !bytes.Contains(blocked.text, []byte("event: busy")) {
		t.Errorf("the blocked one ended without its last frame, as if it were whole")
	}
	g.metric(t, `sluice_streams_ended_total{reason="draining"} 4`)
}

// A revoked key ends a stream that is blocked too, long before the client would count as slow.
func TestRevokedWhileBlocked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	write := func(sub string) {
		t.Helper()
		if err := os.WriteFile(file, fmt.Appendf(nil, `[{"name":"k","key":"k-0123456789abcdef","sub":[%q]}]`, sub), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("*")
	g := newGateway(t, func(s *setup) {
		s.APIKeysFile, s.Shards, s.WriteTimeout = file, 1, time.Minute
	})
	blocked := g.wire(t, get("k-0123456789abcdef", "?channels=big"))
	reading := g.wire(t, get("k-0123456789abcdef", "?channels=small", "Connection: close\r\n"))
	g.flood(t, "big", 12<<20)
	write("other")
	if err := reading.toEnd(); err != io.EOF || !bytes.Contains(reading.text, []byte(`{"event":"expired","data":{"reason":"changed"}}`)) {
		t.Errorf("%v %q", err, reading.text[max(0, len(reading.text)-200):])
	}
	reading.atEOF(t)
	g.await(t, 0)
	g.metric(t, `sluice_streams_ended_total{reason="changed"} 2`)
	blocked.Close()
}

// After Close nothing is open any more, whatever it was about, and what comes late is cut at once.
func TestCloseOfAll(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.Shards, s.WriteTimeout = 2, time.Minute })
	idle, blocked := g.wire(t, get(keyAll, "?channels=small")), g.wire(t, get(keyAll, "?channels=big"))
	g.flood(t, "big", 12<<20)
	for range 2 { // the second finds nothing to do
		if err := g.Realtime.Close(); err != nil {
			t.Fatal(err)
		}
	}
	g.await(t, 0)
	g.metric(t, `sluice_streams_ended_total{reason="cut"} 2`)
	late := dial(t, g, get(keyAll, ""))
	if text, _ := io.ReadAll(late); bytes.HasSuffix(text, []byte("0\r\n\r\n")) {
		t.Errorf("a late one got %.200q", text)
	}
	for _, w := range []*wire{idle, blocked} {
		if err := w.toEnd(); err == io.EOF {
			t.Errorf("a stream ended as if it were whole: %q", w.text[max(0, len(w.text)-200):])
		}
	}
	g.await(t, 0)
	g.metric(t, "sluice_connections 0")
}

// A client that never stops sending is neither answered nor in the way of who shares its shard, and still
// gets its last frame.
func TestChattyClient(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.Shards = 1 })
	chatty, other := g.wire(t, get(keyAll, "")+get(keyAll, "")), g.wire(t, get(keyAll, ""))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		junk := []byte(strings.Repeat(get(keyAll, ""), 200))
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := chatty.Write(junk); err != nil {
				return // drained
			}
		}
	}()
	ids := ""
	for range 200 {
		ids += " " + g.put(t, many(1, "e", 100)...)[0]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, w := range []*wire{chatty, other} {
		for got := ""; got != ids[1:]; got = w.ids("e") {
			if err := w.pull(4 << 10); err != nil {
				t.Fatalf("%v after %q", err, got)
			}
		}
	}
	if n := g.Broker.Count(); n != 2 {
		t.Errorf("%d streams", n)
	}
	done := make(chan error, 1)
	go func() { done <- g.Traffic.Drain(ctx, g.Broker) }()
	for _, w := range []*wire{chatty, other} {
		if err := w.toEnd(); err != io.EOF || w.queue[len(w.queue)-1].Name != "busy" {
			t.Errorf("%v %+v", err, w.queue[len(w.queue)-1])
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	close(stop)
	chatty.Close()
	<-stopped
	if bytes.Contains(append(chatty.text, other.text...), []byte("HTTP/1.1 ")) {
		t.Error("something was answered inside the stream")
	}
}
