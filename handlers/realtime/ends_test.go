package realtime_test

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

	"sluice/gateway/gatewaytest"
)

// However a client leaves, it is noticed at once: nothing is published here, and no ping is near.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		for name, leave := range map[string]func(*gatewaytest.Wire) error{
			"close":      func(w *gatewaytest.Wire) error { return w.Close() },
			"half close": func(w *gatewaytest.Wire) error { return w.CloseWrite() },
			"reset": func(w *gatewaytest.Wire) error {
				if err := w.SetLinger(0); err != nil {
					return err
				}
				return w.Close()
			},
		} {
			g := newGateway(t, writer)
			for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
				w := g.Wire(t, gatewaytest.WithVersion(version, gatewaytest.Get(gatewaytest.KeyAll, "")))
				g.AwaitSubscribers(t, 1)
				if err := leave(w); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				g.AwaitSubscribers(t, 0)
			}
			g.AwaitMetric(t, "sluice_connections 0")
			g.AwaitMetric(t, `sluice_streams_ended_total{reason="gone"} 2`)
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
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		// It is to be longer than a loaded machine, or TCP's timer for closed windows, may keep the steady one from its turn.
		const timeout = 3 * time.Second
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = timeout })
		stalled, steady := g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, "")), g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, ""))
		ids := g.Flood(t, "e", 12<<20)
		started := time.Now()
		for steady.Parser.LastEventID() != ids[len(ids)-1] {
			if err := steady.Pull(32 << 10); err != nil {
				t.Fatalf("%v after %d bytes", err, len(steady.Text))
			}
			if time.Since(started) < timeout*3/2 {
				time.Sleep(20 * time.Millisecond)
			}
		}
		if steady.IDs("e") != strings.Join(ids, " ") {
			t.Errorf("got %d events, some lost, repeated or out of order", len(steady.Queue))
		}
		g.AwaitSubscribers(t, 1)
		g.AwaitMetric(t, `sluice_streams_ended_total{reason="slow"} 1`)
		if err := stalled.ToEnd(); err == nil || err == io.EOF {
			t.Errorf("the stalled one ended as if it were whole: %v", err)
		}
	})
}

// Draining ends what reads with a last frame, the last chunk and the connection's end, without the client
// having to close first; one that is blocked holds it up for a moment only.
func TestDrainShared(t *testing.T) {
	t.Parallel()
	gatewaytest.SharedWriter(t, 2, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = time.Minute })
		var reading []*gatewaytest.Wire
		for _, request := range []string{
			gatewaytest.Get(gatewaytest.KeyAll, "?channels=small"), gatewaytest.Get(gatewaytest.KeyAll, "?channels=small", "Connection: close\r\n"),
			gatewaytest.WithVersion("HTTP/1.0", gatewaytest.Get(gatewaytest.KeyAll, "?channels=small")),
		} {
			reading = append(reading, g.Wire(t, request))
		}
		blocked := g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, "?channels=big"))
		g.Flood(t, "big", 12<<20)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- g.Traffic.Drain(ctx, g.Broker) }()
		for _, w := range reading {
			if err := w.ToEnd(); err != io.EOF {
				t.Errorf("%s: %v", w.Answer.Proto, err)
			}
			last := w.Queue[len(w.Queue)-1]
			if last.Name != "busy" || last.Retry < time.Second || last.Retry > 11*time.Second || bytes.Contains(w.Text, []byte("event: busy\nid:")) {
				t.Errorf("%s: %+v", w.Answer.Proto, last)
			}
			w.ExpectEOF(t)
		}
		if err := <-done; err != nil {
			t.Errorf("the blocked one held it up: %v", err)
		}
		if err := blocked.ToEnd(); err == io.EOF && !bytes.Contains(blocked.Text, []byte("event: busy")) {
			t.Errorf("the blocked one ended without its last frame, as if it were whole")
		}
		g.AwaitMetric(t, `sluice_streams_ended_total{reason="draining"} 4`)
	})
}

// A revoked key ends a stream that is blocked too, long before the client would count as slow.
func TestRevokedWhileBlocked(t *testing.T) {
	t.Parallel()
	gatewaytest.SharedWriter(t, 1, func(t *testing.T, writer func(*setup)) {
		file := filepath.Join(t.TempDir(), "keys.json")
		write := func(sub string) {
			t.Helper()
			if err := os.WriteFile(file, fmt.Appendf(nil, `[{"name":"k","key":"k-0123456789abcdef","sub":[%q]}]`, sub), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("*")
		g := newGateway(t, writer, func(s *setup) { s.APIKeysFile, s.WriteTimeout = file, time.Minute })
		blocked := g.Wire(t, gatewaytest.Get("k-0123456789abcdef", "?channels=big"))
		reading := g.Wire(t, gatewaytest.Get("k-0123456789abcdef", "?channels=small", "Connection: close\r\n"))
		g.Flood(t, "big", 12<<20)
		write("other")
		if err := reading.ToEnd(); err != io.EOF || !bytes.Contains(reading.Text, []byte(`{"event":"expired","data":{"reason":"changed"}}`)) {
			t.Errorf("%v %q", err, reading.Text[max(0, len(reading.Text)-200):])
		}
		reading.ExpectEOF(t)
		g.AwaitSubscribers(t, 0)
		g.AwaitMetric(t, `sluice_streams_ended_total{reason="changed"} 2`)
		blocked.Close()
	})
}

// After Close nothing is open any more, whatever it was about, and what comes late is cut at once.
func TestCloseOfAll(t *testing.T) {
	t.Parallel()
	gatewaytest.SharedWriter(t, 2, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = time.Minute })
		idle, blocked := g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, "?channels=small")), g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, "?channels=big"))
		g.Flood(t, "big", 12<<20)
		for range 2 { // the second finds nothing to do
			if err := g.Realtime.Close(); err != nil {
				t.Fatal(err)
			}
		}
		g.AwaitSubscribers(t, 0)
		g.AwaitMetric(t, `sluice_streams_ended_total{reason="cut"} 2`)
		late := g.Dial(t, gatewaytest.Get(gatewaytest.KeyAll, ""))
		if text, _ := io.ReadAll(late); bytes.HasSuffix(text, []byte("0\r\n\r\n")) {
			t.Errorf("a late one got %.200q", text)
		}
		for _, w := range []*gatewaytest.Wire{idle, blocked} {
			if err := w.ToEnd(); err == io.EOF {
				t.Errorf("a stream ended as if it were whole: %q", w.Text[max(0, len(w.Text)-200):])
			}
		}
		g.AwaitSubscribers(t, 0)
		g.AwaitMetric(t, "sluice_connections 0")
	})
}

// A client that never stops sending is neither answered nor in the way of who shares its shard, and still
// gets its last frame.
func TestChattyClient(t *testing.T) {
	t.Parallel()
	gatewaytest.SharedWriter(t, 1, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		chatty, other := g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, "")+gatewaytest.Get(gatewaytest.KeyAll, "")), g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, ""))
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			junk := []byte(strings.Repeat(gatewaytest.Get(gatewaytest.KeyAll, ""), 200))
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
			ids += " " + g.Put(t, gatewaytest.Events(1, "e", 100)...)[0]
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		for _, w := range []*gatewaytest.Wire{chatty, other} {
			for got := ""; got != ids[1:]; got = w.IDs("e") {
				if err := w.Pull(4 << 10); err != nil {
					t.Fatalf("%v after %q", err, got)
				}
			}
		}
		if n := g.Broker.Count(); n != 2 {
			t.Errorf("%d streams", n)
		}
		done := make(chan error, 1)
		go func() { done <- g.Traffic.Drain(ctx, g.Broker) }()
		for _, w := range []*gatewaytest.Wire{chatty, other} {
			if err := w.ToEnd(); err != io.EOF || w.Queue[len(w.Queue)-1].Name != "busy" {
				t.Errorf("%v %+v", err, w.Queue[len(w.Queue)-1])
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		close(stop)
		chatty.Close()
		<-stopped
		if bytes.Contains(append(chatty.Text, other.Text...), []byte("HTTP/1.1 ")) {
			t.Error("something was answered inside the stream")
		}
	})
}
