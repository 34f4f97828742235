//go:build soak

package cli_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// This file is the plan of the soak; soak_clients_linux_test.go has its clients. scripts/soak-connections.sh runs it.

// visits is how often each client comes. It goes after all but the last, in one of several ways.
const visits = 3

// stay is how long a client stays at most, and away how long it then stays away.
const (
	stay = 12 * time.Second
	away = 3 * time.Second
)

// mostTime bounds a crowd.
const mostTime = 6 * time.Minute

// topicsEach is the number of channels, rooms or collections of a kind. Of topic 0, the events are large and its clients slow.
const topicsEach = 30

// topic is what some clients follow. Its events have the numbers from 1 on.
type topic struct {
	name  string
	begun atomic.Int64 // the number of the newest event of which the publish has begun
	acked atomic.Int64 // and of which the gateway has said that it is stored
}

// soak is one crowd at one gateway.
type soak struct {
	*server
	t      *testing.T
	secure bool
	client *http.Client
	begun  time.Time
	over   chan struct{} // closed once everything is published

	gate      chan struct{} // bounds the handshakes at a time
	connected [len(kinds)]atomic.Int64
	events    [len(kinds)]atomic.Int64
	left      [ways]atomic.Int64
	waits     atomic.Int64 // pauses of slow clients
	faults    atomic.Int64
}

// fault counts what no client may see, and shows the first of them.
func (k *soak) fault(format string, args ...any) {
	if k.faults.Add(1) <= 20 {
		k.t.Errorf(format, args...)
	}
}

// TestSoakConnections: clients that come and go by thousands miss nothing, get nothing twice and keep the order, over TLS and on
// WebSockets, and leave nothing behind at the gateway.
func TestSoakConnections(t *testing.T) {
	connections, rate := soakSetting(t, "SOAK_CONNECTIONS", 15_000), soakSetting(t, "SOAK_RATE", 20)
	for _, crowd := range []struct {
		name   string
		secure bool
		share  [len(kinds)]int // connections of each kind
	}{
		{"TLS", true, [...]int{connections, connections / 4, connections / 4}},
		{"clear", false, [...]int{0, connections / 4, connections / 4}},
	} {
		t.Run(crowd.name, func(t *testing.T) {
			dir := t.TempDir()
			env := []string{
				`API_KEYS=[{"name":"soak","key":"` + testKey + `","sub":["*","*:*"],"pub":["*","*:*"],"rest":["*:*"]}]`,
				"ROOM_CREATE=open", "MAX_ROOM_CONNECTIONS=20000", "LOG_LEVEL=warn", "WEBSOCKET_HEARTBEAT=10s", "PING_INTERVAL=5s",
			}
			if crowd.secure {
				writeCertificate(t, dir, 1)
				env = append(env, "TLS_CERT_FILE=cert.pem", "TLS_KEY_FILE=key.pem", "METRICS_ADDR=127.0.0.1:0")
			}
			s := start(t, dir, env...)
			small := crowd.share
			for i := range small {
				small[i] = min(small[i], 90)
			}
			runCrowd(t, s, crowd.secure, small, rate)
			first := s.look13(t, "after the first "+fmt.Sprint(small))
			runCrowd(t, s, crowd.secure, crowd.share, rate)
			last := s.look13(t, "after "+fmt.Sprint(crowd.share))
			if last.goroutines > first.goroutines+8 || last.files > first.files+8 {
				t.Errorf("something was left behind: %+v, and before %+v", last, first)
			}
			if last.rss > 2*first.rss+128<<10 {
				t.Errorf("memory was left behind: %d KiB, and before %d", last.rss, first.rss)
			}
		})
	}
}

func soakSetting(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s is no number", name, text)
	}
	return n
}

// runCrowd has clients come and go while events are published, and reports what they saw.
func runCrowd(t *testing.T, s *server, secure bool, share [len(kinds)]int, rate int) {
	t.Helper()
	k := &soak{
		server: s, t: t, secure: secure, begun: time.Now(), over: make(chan struct{}), gate: make(chan struct{}, 48),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 16}},
	}
	defer k.client.CloseIdleConnections()
	ctx, stop := context.WithTimeout(context.Background(), mostTime)
	defer stop()
	var clients, publishers sync.WaitGroup
	quiet := make(chan struct{})
	run := fmt.Sprintf("%08x", rand.Uint32())
	total := int64(0)
	var all []*topic
	for kind, n := range share {
		if n == 0 {
			continue
		}
		topics := make([]*topic, topicsEach)
		for i := range topics {
			topics[i] = &topic{name: fmt.Sprintf("soak-%s-%s-%d", kinds[kind].name, run, i)}
		}
		all = append(all, topics...)
		for _, one := range topics {
			if kinds[kind].name == "room" { // a message makes none
				if err := k.send("GET", "/room/"+one.name, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		publishers.Go(func() { k.publish(kind, topics, rate, quiet) })
		most := max(1, n/visits)
		for i := range most {
			total += visits
			clients.Go(func() {
				c := &soakClient{soak: k, kind: kind, topic: topics[i%topicsEach], number: i, slow: i%topicsEach == 0}
				c.live(ctx, time.Duration(i)*stay/time.Duration(most))
			})
		}
	}
	go func() { // ends with the clients: when all have come for the last time, or one has failed, what is published ends
		for {
			n := int64(0)
			for i := range k.connected {
				n += k.connected[i].Load()
			}
			if n >= total || k.faults.Load() > 0 || ctx.Err() != nil {
				break
			}
			<-time.After(100 * time.Millisecond)
		}
		<-time.After(3 * time.Second)
		close(quiet)
		publishers.Wait()
		close(k.over)
	}()
	clients.Wait()
	took := time.Since(k.begun).Round(time.Second)
	published, came := int64(0), int64(0)
	for _, one := range all {
		published += one.acked.Load()
	}
	for i := range kinds {
		t.Logf("%s: %d connections, %d events arrived", kinds[i].name, k.connected[i].Load(), k.events[i].Load())
		came += k.connected[i].Load()
	}
	if came < total {
		t.Errorf("%d of %d connections were made", came, total)
	}
	t.Logf("%d events published in %v; left politely, by reset, in the midst and by half: %v; %d pauses of slow clients; %d faults",
		published, took, counts64(k.left[:]), k.waits.Load(), k.faults.Load())
}

func counts64(list []atomic.Int64) (out []int64) {
	for i := range list {
		out = append(out, list[i].Load())
	}
	return out
}

// publish publishes to the topics of a kind in turn, until quiet is closed, and once more to each.
func (k *soak) publish(kind int, topics []*topic, rate int, quiet <-chan struct{}) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	next := func(i int) {
		one := topics[i%len(topics)]
		n := one.begun.Add(1)
		pad := strings.Repeat("x", 100)
		if one == topics[0] {
			pad = strings.Repeat("x", 40_000)
		}
		method, path, body := kinds[kind].event(one.name, n, pad)
		if err := k.send(method, path, body); err != nil {
			k.fault("publishing %d of %s: %v", n, one.name, err)
		}
		one.acked.Store(n)
	}
	for i := 0; ; i++ {
		select {
		case <-quiet:
			for i := range topics {
				next(i)
			}
			return
		case <-tick.C:
			next(i)
			if i%10 == 0 {
				next(0) // more of what is large
			}
		}
	}
}

func (k *soak) send(method, path, body string) error {
	r, err := http.NewRequest(method, k.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Apikey", testKey)
	r.Header.Set("Content-Type", "application/json")
	answer, err := k.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %.200s", answer.Status, text)
	}
	return err
}

// kinds are those of connections: what they are called, and how one publishes to them.
var kinds = [...]struct {
	name  string
	event func(topic string, n int64, pad string) (method, path, body string)
}{
	{"stream", func(topic string, n int64, pad string) (string, string, string) {
		return "POST", "/realtime", fmt.Sprintf(`{"event":%q,"data":{"n":%d,"pad":%q}}`, topic, n, pad)
	}},
	{"room", func(topic string, n int64, pad string) (string, string, string) {
		if len(pad) > 1000 { // a room retains all of it
			pad = pad[:1000]
		}
		return "POST", "/room/" + topic + "/send", fmt.Sprintf(`{"type":"push","key":"k","value":{"n":%d,"pad":%q},"action":{"type":"append"}}`, n, pad)
	}},
	{"directus", func(topic string, n int64, pad string) (string, string, string) {
		return "POST", "/items/" + topic, fmt.Sprintf(`{"n":%d,"pad":%q}`, n, pad)
	}},
}

// figures are what a gateway takes while it has nothing to do.
type figures struct{ rss, files, goroutines int }

// look13 waits 13 seconds: a gateway gives memory back some seconds after its clients have gone.
func (s *server) look13(t *testing.T, when string) (f figures) {
	t.Helper()
	<-time.After(13 * time.Second)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	f.rss, err = strconv.Atoi(strings.Fields(rest)[0])
	files, ferr := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err = errors.Join(err, ferr); err != nil {
		t.Fatal(err)
	}
	f.files = len(files)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	r, err := http.NewRequest("GET", s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", testKey)
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var ended []string
	for line := range bytes.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		switch {
		case name == "go_goroutines":
			f.goroutines, _ = strconv.Atoi(value)
		case strings.HasPrefix(name, "sluice_streams_ended_total"):
			ended = append(ended, strings.TrimPrefix(name, "sluice_streams_ended_total")+" "+value)
		case name == "sluice_connections" && value != "0":
			t.Errorf("%s are open", value)
		}
	}
	t.Logf("%s: RSS %d KiB, %d descriptors, %d goroutines; ended %v", when, f.rss, f.files, f.goroutines, ended)
	return f
}

// number reads the number of an event, which streams wrap. It returns 0 if there is none.
func number(text []byte) int64 {
	type event struct{ N int64 }
	var v struct {
		event
		Data event
	}
	if json.Unmarshal(text, &v) != nil {
		return 0
	}
	return max(v.N, v.Data.N)
}
