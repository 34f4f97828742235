package handlers_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/auth"
	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// fragile is an engine that panics where it is read, on demand.
type fragile struct {
	eventlog.Engine
	begins, reads atomic.Bool // whether looking for a beginning panics, and reading
}

func panicIf(on *atomic.Bool) {
	if on.Load() {
		panic("the engine panics")
	}
}

func (f *fragile) Read(ctx context.Context, q *eventlog.Query, after, upto uint64, limit int) (eventlog.Page, error) {
	panicIf(&f.reads)
	return f.Engine.Read(ctx, q, after, upto, limit)
}

func (f *fragile) Keyed(ctx context.Context, space string, key *string, each func(eventlog.Event) error) (uint64, error) {
	panicIf(&f.reads)
	return f.Engine.Keyed(ctx, space, key, each)
}

func (f *fragile) View(ctx context.Context, see func(eventlog.View) error) error {
	panicIf(&f.reads)
	return f.Engine.View(ctx, see)
}

func (f *fragile) Streams(ctx context.Context, space, prefix, after string, limit int) ([]eventlog.StreamState, error) {
	panicIf(&f.reads)
	return f.Engine.Streams(ctx, space, prefix, after, limit)
}

func (f *fragile) State(space string) (eventlog.State, error) {
	panicIf(&f.begins)
	return f.Engine.State(space)
}

// fragileListener makes connections whose Read panics when it meets a word.
type fragileListener struct{ net.Listener }

const panicWord = "PANIC!"

func (l fragileListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return fragileConn{c}, err
}

type fragileConn struct{ net.Conn }

func (c fragileConn) NetConn() net.Conn { return c.Conn }

func (c fragileConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if bytes.Contains(b[:max(n, 0)], []byte(panicWord)) {
		panic("the connection panics")
	}
	return n, err
}

// streamDoor is a way to open a stream.
type streamDoor struct {
	name    string
	path    string // KEY and ROOM stand for what the gateway has made
	socket  bool
	login   bool   // by a message
	free    bool   // it needs no key
	endless bool   // nothing refuses it
	read    string // a message to a socket, or a query, that has the engine read
	resume  string // a query that has the engine read before the stream begins
}

// manyChannels are channels that take more than a filter may without being charged.
var manyChannels = func() (names string) {
	for i := range 90 {
		names += fmt.Sprintf(",a-name-of-a-channel-that-is-as-long-as-they-may-be-%d", i)
	}
	return names
}()

var streamDoors = []streamDoor{
	{name: "realtime", path: "/realtime?channels=e", read: "&from=earliest", resume: "&lastEventId=1"},
	{name: "realtime range", path: "/realtime?channels=e&from=earliest&limit=100", read: "&types=e", resume: "&lastEventId=1"},
	{name: "realtime wide", path: "/realtime?channels=e" + manyChannels, read: "&from=earliest", resume: "&lastEventId=1"},
	{name: "persistr", path: "/db/orders/events", read: "?type=e", resume: "?limit=100"},
	{name: "persistr wildcards", path: "/db/orders/events?type=a*", read: "&limit=100", resume: "&limit=100"},
	{name: "rooms", path: "/room/ROOM/events", free: true, read: "?key=k", resume: "?lastEventId=1"},
	{name: "rooms socket", path: "/room/ROOM/connect", socket: true, free: true, read: `{"type":"get","key":"k"}`},
	{name: "directus", path: "/websocket", socket: true, read: `{"type":"items","collection":"m","action":"read"}`},
	{name: "directus login", path: "/websocket", socket: true, login: true, read: `{"type":"items","collection":"m","action":"read"}`},
	{name: "directus pending", path: "/websocket", socket: true, free: true, endless: true},
}

// opened is a client's connection.
type opened struct {
	net.Conn
	text  *bufio.Reader
	first string // line of the answer
}

// openDoor opens a stream and waits for the first line of the answer, or, of a message that authenticates, for its answer.
func (g *gateway) openDoor(t *testing.T, d *streamDoor, path, key string) *opened {
	t.Helper()
	request := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	if !d.free && !d.login {
		request += "X-Apikey: " + key + "\r\n"
	}
	if d.socket {
		request += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	} else {
		request += "Connection: close\r\nAccept: text/event-stream\r\n"
	}
	c := &opened{Conn: g.Dial(t, request+"\r\n")}
	c.text = bufio.NewReader(c)
	err := c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if c.first, err = c.text.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if d.login {
		c.say(t, `{"type":"auth","access_token":"`+key+`"}`)
		for answer := ""; !strings.Contains(answer, `"status"`); {
			b, err := c.text.ReadByte()
			if err != nil {
				t.Fatal(err)
			}
			answer += string(b)
		}
	}
	return c
}

func (c *opened) say(t *testing.T, message string) {
	t.Helper()
	if _, err := io.WriteString(c, maskedFrame(message)); err != nil {
		t.Fatal(err)
	}
}

// toEnd reads until the gateway closes, or says so by a frame that closes a WebSocket.
func (c *opened) toEnd(t *testing.T, socket bool) {
	t.Helper()
	for {
		b, err := c.text.ReadByte()
		if err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("the stream goes on")
		}
		if err != nil || socket && b == 0x88 {
			c.Close()
			return
		}
	}
}

// streamEnd is a way in which a stream ends.
type streamEnd struct {
	name  string
	no    func(d *streamDoor) bool // it is none of this door
	alone bool                     // only with goroutines of its own: the shared writer reads no connection, but its descriptor (TestSocketsContainPanics)
	run   func(t *testing.T, s *streamStory)
	last  bool // the gateway lets nobody in afterwards
	logs  string
}

// streamStory is the gateway that one stream ends in.
type streamStory struct {
	*gateway
	door   *streamDoor
	engine *fragile
	path   string
	key    string
	keyID  string
}

func (s *streamStory) open(t *testing.T, more string) *opened {
	t.Helper()
	return s.openDoor(t, s.door, s.path+more, s.key)
}

var streamEnds = []streamEnd{
	{name: "the client leaves", run: func(t *testing.T, s *streamStory) {
		c := s.open(t, "")
		s.AwaitStreams(t, 1)
		c.Close()
	}},
	{name: "refused", no: func(d *streamDoor) bool { return d.endless }, run: func(t *testing.T, s *streamStory) {
		c := s.open(t, "")
		s.AwaitStreams(t, 1)
		s.open(t, "").Close()
		s.AwaitStreams(t, 1)
		c.Close()
	}},
	{name: "the key is removed", no: func(d *streamDoor) bool { return d.free }, run: func(t *testing.T, s *streamStory) {
		c := s.open(t, "")
		s.AwaitStreams(t, 1)
		if err := s.Auth.DeleteKey(t.Context(), s.keyID); err != nil {
			t.Fatal(err)
		}
		c.toEnd(t, s.door.socket)
	}, last: true},
	{name: "a panic before it begins", no: func(d *streamDoor) bool { return d.resume == "" }, run: func(t *testing.T, s *streamStory) {
		s.engine.begins.Store(true)
		c := s.open(t, s.door.resume)
		if !strings.Contains(c.first, " 500 ") {
			t.Errorf("it was answered %s", c.first)
		}
		s.engine.begins.Store(false)
		c.Close()
	}, logs: "the engine panics"},
	{name: "a panic in its writer", no: func(d *streamDoor) bool { return d.read == "" }, run: func(t *testing.T, s *streamStory) {
		query := s.door.read
		if s.door.socket {
			query = ""
		} else {
			s.engine.reads.Store(true)
		}
		c := s.open(t, query)
		if s.door.socket {
			s.engine.reads.Store(true)
			c.say(t, s.door.read)
		}
		c.toEnd(t, s.door.socket)
		s.AwaitMetric(t, `sluice_streams_ended_total{reason="failed"} 1`)
		s.engine.reads.Store(false)
	}, logs: "the engine panics"},
	{name: "a panic in its reader", alone: true, no: func(d *streamDoor) bool { return !d.socket }, run: func(t *testing.T, s *streamStory) {
		c := s.open(t, "")
		s.AwaitStreams(t, 1)
		c.say(t, panicWord)
		c.toEnd(t, true)
		s.AwaitMetric(t, `sluice_streams_ended_total{reason="failed"} 1`)
	}, logs: "the connection panics"},
	{name: "the gateway drains", run: func(t *testing.T, s *streamStory) {
		c := s.open(t, "")
		s.AwaitStreams(t, 1)
		done := make(chan error, 1)
		go func() { done <- s.Traffic.Drain(t.Context(), s.Broker) }()
		c.toEnd(t, s.door.socket)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}, last: true},
	{name: "subscribing fails", no: func(d *streamDoor) bool { return d.login }, run: func(t *testing.T, s *streamStory) {
		s.Broker.Drain() // and not the traffic, which lets it in
		c := s.open(t, "")
		c.Close()
	}, last: true},
}

// TestStreamsGiveEverythingBack: at each door, however a stream ends, nothing of it is left, and its place is free for the
// next.
func TestStreamsGiveEverythingBack(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		var s setup
		writer(&s)
		for i := range streamDoors {
			d := &streamDoors[i]
			for _, end := range streamEnds {
				if end.no != nil && end.no(d) || end.alone && s.Shards >= 0 {
					continue
				}
				t.Run(d.name+"/"+end.name, func(t *testing.T) {
					t.Parallel()
					endOfStream(t, writer, d, &end)
				})
			}
		}
	})
}

func endOfStream(t *testing.T, writer func(*setup), d *streamDoor, end *streamEnd) {
	ctx := context.Background()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	engine, text := &fragile{Engine: memory.Open(memory.Options{})}, &sink{}
	g := newGateway(t, writer, func(s *setup) {
		s.Engine, s.Logger = engine, slog.New(slog.NewTextHandler(text, nil))
		s.Listener = fragileListener{listener}
		s.MaxConnections, s.MaxConnectionsPerKey, s.MaxPending, s.MaxRoomConnections = 2, 1, 16, 1
		s.RoomConnectionRate = 1 // a socket's reader waits a second before it reads a second message
		s.WebSocketAuthTimeout = time.Minute
		if end.name == "the key is removed" {
			s.WebSocketAuthTimeout = 200 * time.Millisecond // in which a socket may authenticate anew
		}
	})
	if err := g.Databases.Create(ctx, "orders", ""); err != nil {
		t.Fatal(err)
	}
	for _, e := range []eventlog.Event{{Name: "e", Data: []byte("1")}, {Space: "$db/orders", Name: "orders", Stream: "s", Data: []byte("1")}} {
		if _, err := g.Log.Append(ctx, &eventlog.Request{Events: []eventlog.Event{e}}); err != nil {
			t.Fatal(err)
		}
	}
	room := g.NewRoom(t)
	g.Push(t, room, `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`)
	name, sub, rest := "the key", []string{"*", "*:*", "$db/orders"}, []string{"*"}
	info, key, err := g.Auth.CreateKey(ctx, auth.KeyChange{Name: &name, Sub: &sub, Rest: &rest})
	if err != nil {
		t.Fatal(err)
	}
	s := &streamStory{g, d, engine, strings.ReplaceAll(d.path, "ROOM", room), key, info.ID}
	end.run(t, s)
	g.nothingOpen(t)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(text.String(), end.logs); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log has no %q: %s", end.logs, text)
		}
	}
	if end.last {
		return
	}
	c := s.open(t, "")
	if !strings.Contains(c.first, "200") && !strings.Contains(c.first, "101") {
		t.Errorf("the next is answered %s", c.first)
	}
	g.AwaitStreams(t, 1)
	c.Close()
	g.nothingOpen(t)
	soon, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := g.Traffic.Drain(soon, g.Broker); err != nil {
		t.Errorf("a stream that is gone is waited for: %v", err)
	}
}

// nothingOpen waits until nothing of any stream is left.
func (g *gateway) nothingOpen(t *testing.T) {
	t.Helper()
	left := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		left = fmt.Sprintf("%d streams, %d bytes, %d subscribers, %d views", g.Traffic.Streams(), g.Memory.Held(), g.Broker.Count(), g.Broker.Views())
		if left == "0 streams, 0 bytes, 0 subscribers, 0 views" {
			g.AwaitMetric(t, "sluice_connections 0")
			if kinds := g.Traffic.ByKind(); len(kinds) != 0 {
				t.Errorf("by kind, left are %s", kinds)
			}
			return
		}
	}
	t.Errorf("left are %s", left)
}
