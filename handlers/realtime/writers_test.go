package realtime_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/broker/sse"
	"sluice/broker/sse/ssetest"
	"sluice/gateway/gatewaytest"
)

var varying = regexp.MustCompile(`(?m)^(id: |Date: |X-Request-Id: |data: 2|retry: )[^\r\n]*|"connection":"[^"]+"|"oldest":"\d+"|"id":"\d+","ts":"[^"]+"`)

// TestSameBytes: for the same story both writers give the same bytes, with TLS and without, but for ids, times and what is random.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	// begin and the function that it returns are a story. Two stories wait for their pings together.
	begin := func(t *testing.T, g *gateway, request, live string) (end func() string) {
		first := g.Publish(t, `{"event":"before"}`)
		c := g.Dial(t, strings.ReplaceAll(request, "LAST", first))
		g.AwaitSubscribers(t, 1)
		text := make([]byte, 0, 8<<10)
		readTo := func(what string) {
			for buf := make([]byte, 4096); !bytes.Contains(text, []byte(what)); {
				n, err := c.Read(buf)
				if text = append(text, buf[:n]...); err != nil {
					t.Fatalf("%v after %q", err, text)
				}
			}
		}
		if live != "" {
			readTo(live) // or some of what follows may come before it
		}
		for _, body := range []string{`{"event":"put","collection":"c","data":[1.0,"é"]}`, `{"event":"goal","data":{"a":1}}`, `[{"event":"x"},{"event":"y"},{"event":"z","stream":"s"}]`} {
			g.Publish(t, body)
		}
		return func() string {
			ping := "event: ping"
			if strings.Contains(request, "ndjson") {
				ping = "\n\n"
			}
			readTo(ping)
			go g.Traffic.Drain(context.Background(), g.Broker)
			whole := string(append(text, readToEnd(t, c)...))
			head, _, _ := strings.Cut(whole, "\r\n\r\n")
			if strings.Contains(head, "Transfer-Encoding: chunked") {
				answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(whole)), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(answer.Body)
				if err != nil {
					t.Errorf("the chunks: %v", err)
				}
				whole = head + "\r\n\r\n" + string(body)
			}
			return varying.ReplaceAllString(whole, "$1")
		}
	}
	for name, request := range map[string]string{
		"HTTP/1.1":        gatewaytest.Get(gatewaytest.KeyAll, ""),
		"resumed":         gatewaytest.Get(gatewaytest.KeyAll, "", "Last-Event-ID: LAST\r\n"),
		"unknown id":      gatewaytest.Get(gatewaytest.KeyAll, "", "Last-Event-ID: 12\r\n"),
		"close":           gatewaytest.Get(gatewaytest.KeyAll, "", "Connection: close\r\n"),
		"publish frames":  gatewaytest.Get(gatewaytest.KeyPublish, ""),
		"with an origin":  gatewaytest.Get(gatewaytest.KeyAll, "", "Origin: https://a.example\r\n"),
		"history":         gatewaytest.Get(gatewaytest.KeyAll, "?from=earliest"),
		"history behind":  gatewaytest.Get(gatewaytest.KeyAll, "?after=LAST"),
		"history resumed": gatewaytest.Get(gatewaytest.KeyAll, "?from=now", "Last-Event-ID: LAST\r\n"),
		"history 1.0":     strings.Replace(gatewaytest.Get(gatewaytest.KeyAll, "?from=-1"), "HTTP/1.1", "HTTP/1.0", 1),
		"lines":           gatewaytest.Get(gatewaytest.KeyAll, "?from=earliest", "Accept: application/x-ndjson\r\n"),
		"HTTP/1.0":        strings.Replace(gatewaytest.Get(gatewaytest.KeyAll, ""), "HTTP/1.1", "HTTP/1.0", 1),
		"HTTP/1.0 resume": strings.Replace(gatewaytest.Get(gatewaytest.KeyAll, "", "Last-Event-ID: LAST\r\n"), "HTTP/1.1", "HTTP/1.0", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := ""
			if strings.Contains(name, "history") {
				live = "event: live\n"
			}
			writer := func(shards int, secure bool) *gateway {
				return newGateway(t, func(s *setup) {
					s.Shards, s.TLS, s.NoHTTP2, s.PingInterval = shards, secure, secure, 700*time.Millisecond
				})
			}
			goroutine := begin(t, writer(-1, false), request, live)
			others := map[string]func() string{
				"shared": begin(t, writer(1, false), request, live), "shared, TLS": begin(t, writer(1, true), request, live), "goroutine, TLS": begin(t, writer(-1, true), request, live),
			}
			shared, want := "", sortedHead(goroutine())
			for writer, end := range others {
				shared = end()
				if got := sortedHead(shared); got != want {
					t.Errorf("%s:\n%q\ngoroutine:\n%q", writer, strings.ReplaceAll(got, "  ", ""), strings.ReplaceAll(want, "  ", ""))
				}
			}
			if name == "lines" {
				if strings.Count(shared, `"event":"`) < 5 {
					t.Errorf("the story is not whole: %q", shared)
				}
				return
			}
			if strings.Contains(name, "history") && strings.Count(shared, "event: live\n") != 1 {
				t.Errorf("the frame live does not come once: %q", shared)
			}
			if !strings.Contains(shared, "event: busy") || strings.Count(shared, "event: goal")+strings.Count(shared, "event: publish") < 1 {
				t.Errorf("the story is not whole: %q", shared)
			}
		})
	}
}

// readToEnd reads until the connection or the chunked body ends: one that is kept alive stays open.
func readToEnd(t *testing.T, c net.Conn) []byte {
	t.Helper()
	var text []byte
	for buf := make([]byte, 4096); !bytes.HasSuffix(text, []byte(sse.LastChunk)); {
		n, err := c.Read(buf)
		if text = append(text, buf[:n]...); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
	}
	return text
}

// sortedHead puts the lines of the head in one order: HTTP gives it no meaning.
func sortedHead(text string) string {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	for i := 1; i < len(lines); i++ {
		for j := i; j > 1 && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return strings.Join(lines, "\n") + "\n\n" + body
}

// What a client sends behind its request is neither answered nor in anybody's way.
func TestBytesBehindTheRequest(t *testing.T) {
	t.Parallel()
	gatewaytest.SharedWriter(t, 1, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		c := g.Dial(t, gatewaytest.Get(gatewaytest.KeyAll, "?channels=a")+"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		g.AwaitSubscribers(t, 1)
		junk := []byte(strings.Repeat("POST /realtime HTTP/1.1\r\n\x00garbage", 4000))
		if _, err := c.Write(junk); err != nil {
			t.Fatal(err)
		}
		id := g.Publish(t, `{"event":"a"}`)
		var text []byte
		for buf := make([]byte, 4096); !bytes.Contains(text, []byte("id: "+id+"\nevent: a")); {
			n, err := c.Read(buf)
			if text = append(text, buf[:n]...); err != nil {
				t.Fatalf("%v after %q", err, text)
			}
		}
		if bytes.Count(text, []byte("HTTP/1.1 ")) != 1 {
			t.Errorf("something else was answered: %q", text)
		}
	})
}

// A client that does not read delays nobody, and gets all in order once it reads on.
func TestStalledReadsOn(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = time.Minute })
		stalled := g.Dial(t, strings.Replace(gatewaytest.Get(gatewaytest.KeyAll, "?channels=big"), "HTTP/1.1", "HTTP/1.0", 1))
		g.AwaitSubscribers(t, 1) // else what is published before it has come is none of its events
		reader := g.Stream(t, gatewaytest.KeyAll, "?channels=small")
		const events = 400
		var ids []string
		for i := range events {
			ids = append(ids, g.Publish(t, fmt.Sprintf(`{"event":"big","data":"%d %s"}`, i, strings.Repeat("x", 50_000))))
		}
		id := g.Publish(t, `{"event":"small"}`)
		if e := reader.Event(t); e.ID != id {
			t.Errorf("the reader got %+v", e)
		}
		// From here on, so that a machine on which publishing takes long is not taken for a stream that stands still.
		begun := time.Now()
		if err := stalled.SetReadDeadline(begun.Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		var p ssetest.Parser
		in := bufio.NewReaderSize(stalled, 64<<10)
		last := begun
		for line := ""; line != "\r\n"; {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for buf := make([]byte, 64<<10); len(got) < events; {
			n, err := in.Read(buf)
			if err != nil {
				t.Fatalf("%v after %d events, %s after the reading began, %s after the last byte", err, len(got), time.Since(begun), time.Since(last))
			}
			last = time.Now()
			found, err := p.Feed(buf[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range found {
				if e.Name == "big" {
					got = append(got, e.ID)
				}
			}
		}
		if strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Errorf("got %d events, some lost, repeated or out of order", len(got))
		}
	})
}

// Draining ends a stream with its last frame and the last chunk; one that cannot take it is closed all the same.
func TestDrainOfStreams(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = time.Second })
		c := g.Dial(t, gatewaytest.Get(gatewaytest.KeyAll, "?channels=small"))
		g.Dial(t, gatewaytest.Get(gatewaytest.KeyAll, "?channels=big")) // never read
		g.AwaitSubscribers(t, 2)
		g.Flood(t, "big", 12<<20)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- g.Traffic.Drain(ctx, g.Broker) }()
		text := readToEnd(t, c)
		if !bytes.Contains(text, []byte("event: busy\ndata: ")) || !bytes.HasSuffix(text, []byte("0\r\n\r\n")) {
			t.Errorf("%q", text[max(0, len(text)-300):])
		}
		c.Close()
		if err := <-done; err != nil {
			t.Errorf("drain: %v", err)
		}
		g.AwaitSubscribers(t, 0)
	})
}

// Closing the handler cuts what is left, without a chunk that would say it was whole.
func TestCloseCuts(t *testing.T) {
	t.Parallel()
	gatewaytest.SharedWriter(t, 1, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		c := g.Dial(t, gatewaytest.Get(gatewaytest.KeyAll, ""))
		g.AwaitSubscribers(t, 1)
		if err := g.Realtime.Close(); err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(c)
		if bytes.HasSuffix(text, []byte("0\r\n\r\n")) || !bytes.Contains(text, []byte("init")) {
			t.Errorf("%q", text)
		}
		g.AwaitSubscribers(t, 0)
	})
}

// Crowds that come, miss events, resume and go: everybody has everything, and nothing is left behind.
func TestCrowdsResume(t *testing.T) {
	gatewaytest.SharedWriter(t, 2, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		start := g.Stream(t, gatewaytest.KeyAll, "?channels=none").Parser.LastEventID()
		var ids []string
		for i := range 300 {
			ids = append(ids, g.Publish(t, fmt.Sprintf(`{"event":"e","data":%d}`, i)))
		}
		want := strings.Join(ids, " ")
		g.AwaitSubscribers(t, 1)
		files, goroutines := openFiles(t), runtime.NumGoroutine()
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				for range 25 {
					if got, err := readIDs(t, g, start, len(ids)); err != nil || strings.Join(got, " ") != want {
						t.Errorf("%d events, %v", len(got), err)
						return
					}
				}
			})
		}
		group.Wait()
		g.AwaitSubscribers(t, 1)
		gatewaytest.Until(t, func() error {
			if nowFiles, now := openFiles(t), runtime.NumGoroutine(); nowFiles > files+2 || now > goroutines+2 {
				return fmt.Errorf("%d descriptors and %d goroutines, before %d and %d", nowFiles, now, files, goroutines)
			}
			return nil
		})
	})
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not on Linux
	}
	return len(list)
}

// readIDs resumes after an id and reads that number of events on a connection of its own.
func readIDs(t *testing.T, g *gateway, after string, n int) ([]string, error) {
	c, err := g.Connect(net.Dialer{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, gatewaytest.Get(gatewaytest.KeyAll, "?channels=e", "Last-Event-ID: "+after+"\r\n")); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	var p ssetest.Parser
	var ids []string
	for buf := make([]byte, 16<<10); len(ids) < n; {
		k, err := answer.Body.Read(buf)
		if err != nil {
			return ids, err
		}
		events, err := p.Feed(buf[:k])
		if err != nil {
			return ids, err
		}
		for _, e := range events {
			if e.Name == "e" {
				ids = append(ids, e.ID)
			}
		}
	}
	return ids, nil
}

// Readers that stop and go on at random get everything by themselves: no ping, and no later event, has to wake
// what was published while they were blocked.
func TestNothingWaitsForAPing(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.PingInterval, s.WriteTimeout = time.Hour, time.Hour })
		const readers, events = 12, 800
		var group sync.WaitGroup
		for i := range readers {
			c := g.Dial(t, strings.Replace(gatewaytest.Get(gatewaytest.KeyAll, "?channels=e"), "HTTP/1.1", "HTTP/1.0", 1))
			if err := c.SetReadBuffer(64 << 10); err != nil {
				t.Fatal(err)
			}
			group.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(i)))
				seen, buf := 0, make([]byte, 32<<10)
				for seen < events {
					if random.IntN(40) == 0 {
						time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
					}
					if err := c.SetReadDeadline(time.Now().Add(gatewaytest.Patience)); err != nil { // for the next bytes, not for all
						t.Error(err)
						return
					}
					n, err := c.Read(buf[:1+random.IntN(len(buf)-1)])
					if err != nil {
						t.Errorf("reader %d: %v after %d events", i, err, seen)
						return
					}
					seen += bytes.Count(buf[:n], []byte("~"))
				}
			})
		}
		g.AwaitSubscribers(t, readers)
		body := `{"event":"e","data":"` + strings.Repeat("x", 8000) + `~"}`
		for range events {
			g.Publish(t, body)
		}
		group.Wait()
	})
}
