//go:build soak

package cli_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"sluice/broker/sse/ssetest"
)

// The ways in which a client goes.
const (
	politely  = iota // with an alert of TLS, or a close of WebSockets
	byReset          // by a reset
	inBetween        // with a part of a message sent, and without a word
	byHalf           // it says that it sends nothing more, and reads on
	ways
)

// soakClient is one client, which comes several times.
type soakClient struct {
	*soak
	kind   int
	topic  *topic
	number int
	slow   bool

	last  int64  // the number of the last event that it got
	id    string // of a stream: where to go on
	bound int64  // of a stream: the first event has at most this number
	floor int64  // of a socket: what it gets first has at least this number
	ready bool   // of a socket: it has what there was when it came

	body   io.Reader // of a stream
	parser ssetest.Parser

	raw  *net.TCPConn
	conn net.Conn // raw, or TLS on it
	in   *bufio.Reader
}

// live comes and goes.
func (c *soakClient) live(ctx context.Context, wait time.Duration) {
	for visit := range visits {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		last := visit == visits-1
		until := time.Now().Add(stay/4 + rand.N(stay*3/4))
		if err := c.visit(ctx, until, last); err != nil {
			c.fault("client %d of %s, visit %d: %v", c.number, c.topic.name, visit, err)
			return
		}
		wait = rand.N(away)
	}
}

// visit connects, reads until its time is over, and goes. The last visit is over when everything has arrived.
func (c *soakClient) visit(ctx context.Context, until time.Time, last bool) error {
	if err := c.connect(ctx); err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer c.raw.Close()
	c.connected[c.kind].Add(1)
	pause := time.Time{}
	if c.slow && !last {
		pause = time.Now().Add(2 * time.Second)
	}
	for {
		limit := until
		if last {
			limit = time.Now().Add(time.Second)
		}
		if !pause.IsZero() && time.Now().After(pause) {
			pause = time.Time{}
			c.waits.Add(1)
			<-time.After(3 * time.Second)
		}
		if err := c.conn.SetReadDeadline(limit); err != nil {
			return err
		}
		err := c.read()
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !last:
			return c.leave()
		}
		if last && c.finished(ctx) {
			return c.leave()
		}
	}
}

// finished reports whether the client has everything that was published.
func (c *soakClient) finished(ctx context.Context) bool {
	select {
	case <-c.over:
		if c.last < c.topic.acked.Load() && ctx.Err() != nil {
			c.fault("client %d of %s has %d of %d", c.number, c.topic.name, c.last, c.topic.acked.Load())
		}
		return c.last >= c.topic.acked.Load() || ctx.Err() != nil
	default:
		return false
	}
}

func (c *soakClient) connect(ctx context.Context) error {
	c.gate <- struct{}{}
	defer func() { <-c.gate }()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+c.number%19))}}
	_, address, _ := strings.Cut(c.url, "://")
	conn, err := dialer.DialContext(ctx, "tcp4", address)
	if err != nil {
		return err
	}
	c.raw = conn.(*net.TCPConn)
	if c.slow {
		if err := c.raw.SetReadBuffer(64 << 10); err != nil {
			return err
		}
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if c.secure {
		over := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err := over.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = over
	}
	c.conn, c.in, c.ready = conn, bufio.NewReaderSize(conn, 4<<10), false
	return c.greet()
}

// greet sends the request, and what a client says first.
func (c *soakClient) greet() error {
	path, lines := "", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	status := http.StatusSwitchingProtocols
	switch kinds[c.kind].name {
	case "stream":
		path, lines, status = "/realtime?channels="+c.topic.name, "X-Apikey: "+testKey+"\r\n", http.StatusOK
		if c.id != "" {
			lines += "Last-Event-ID: " + c.id + "\r\n"
		}
	case "room":
		path = "/room/" + c.topic.name + "/connect"
	case "directus":
		path = "/websocket?access_token=" + testKey
	}
	if _, err := io.WriteString(c.conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n"+lines+"\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != status {
		return errors.New(answer.Status)
	}
	switch kinds[c.kind].name {
	case "stream":
		if c.id == "" {
			c.bound = c.topic.begun.Load() + 1
		}
		c.body, c.parser = answer.Body, ssetest.Parser{}
		return nil
	case "room":
		c.floor = c.topic.acked.Load()
		return c.say(ws.OpText, fmt.Sprintf(`{"type":"get","key":"k","seq":%d}`, c.last))
	}
	c.floor = c.topic.acked.Load()
	return c.say(ws.OpText, fmt.Sprintf(`{"type":"subscribe","collection":%q,"query":{"fields":["n"],"sort":["-n"],"limit":1},"uid":"1"}`, c.topic.name))
}

// say sends a message.
func (c *soakClient) say(op ws.OpCode, text string) error {
	frame := ws.MaskFrameInPlace(ws.NewFrame(op, true, []byte(text)))
	if err := c.conn.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	return ws.WriteFrame(c.conn, frame)
}

// read reads what has arrived, and checks it. Where nothing arrives in time, nothing is lost: a read can be tried again.
func (c *soakClient) read() error {
	if _, err := c.in.Peek(1); err != nil {
		return err
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if kinds[c.kind].name == "stream" {
		return c.readStream()
	}
	frame, err := c.frame()
	if err != nil {
		return err
	}
	switch frame.Header.OpCode {
	case ws.OpPing:
		return c.say(ws.OpPong, string(frame.Payload))
	case ws.OpPong:
		return nil
	case ws.OpClose:
		return fmt.Errorf("the gateway closed it: %x", frame.Payload)
	}
	if kinds[c.kind].name == "room" {
		return c.roomMessage(frame.Payload)
	}
	return c.directusMessage(frame.Payload)
}

// frame reads a frame.
func (c *soakClient) frame() (ws.Frame, error) {
	head, err := ws.ReadHeader(c.in)
	if err == nil && (head.Masked || !head.Fin || head.Length > 1<<20) {
		err = fmt.Errorf("a frame with the head %+v", head)
	}
	if err != nil {
		return ws.Frame{}, err
	}
	frame := ws.Frame{Header: head, Payload: make([]byte, head.Length)}
	_, err = io.ReadFull(c.in, frame.Payload)
	return frame, err
}

func (c *soakClient) readStream() error {
	var piece [4 << 10]byte
	n, err := c.body.Read(piece[:])
	events, perr := c.parser.Feed(piece[:n])
	for _, e := range events {
		if e.ID != "" {
			c.id = e.ID
		}
		switch e.Name {
		case c.topic.name:
			n := number([]byte(e.Data))
			if err := c.next(n, c.last == 0 && n <= c.bound); err != nil {
				return err
			}
		case "ping", "":
		default:
			return fmt.Errorf("it got %s %.200s", e.Name, e.Data)
		}
	}
	return errors.Join(perr, err)
}

// next takes the next event.
func (c *soakClient) next(n int64, begins bool) error {
	if n < 1 || n != c.last+1 && !begins {
		return fmt.Errorf("event %d came after %d", n, c.last)
	}
	c.last = n
	c.events[c.kind].Add(1)
	return nil
}

// roomMessage takes a message of a room. Before the answer to its get, a client may hear what the answer has.
func (c *soakClient) roomMessage(text []byte) error {
	type entry struct {
		Value json.RawMessage
		Seq   int64
	}
	var m struct {
		Type string
		entry
		Data []entry
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%.200s: %w", text, err)
	}
	switch m.Type {
	case "init":
		c.ready = true
	case "push":
		if !c.ready {
			return nil
		}
		m.Data = []entry{m.entry}
	default:
		return fmt.Errorf("it got %.200s", text)
	}
	for _, one := range m.Data {
		if n := number(one.Value); n != one.Seq {
			return fmt.Errorf("event %d has the number %d", n, one.Seq)
		}
		if err := c.next(one.Seq, false); err != nil {
			return err
		}
	}
	if c.last < c.floor {
		return fmt.Errorf("what it got first ends at %d, and %d was stored", c.last, c.floor)
	}
	return nil
}

// directusMessage takes a message of a subscription.
func (c *soakClient) directusMessage(text []byte) error {
	var m struct {
		Type, Event string
		Data        []json.RawMessage
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%.200s: %w", text, err)
	}
	n := int64(0)
	if len(m.Data) > 0 {
		n = number(m.Data[0])
	}
	switch {
	case m.Type == "ping":
		return c.say(ws.OpText, `{"type":"pong"}`)
	case m.Type == "subscription" && m.Event == "init" && len(m.Data) <= 1 && !c.ready:
		if n < max(c.floor, c.last) {
			return fmt.Errorf("the first item is %d, %d was stored, and %d came before", n, c.floor, c.last)
		}
		c.last, c.ready = n, true
		return nil
	case m.Type == "subscription" && m.Event == "create" && len(m.Data) == 1 && c.ready:
		return c.next(n, false)
	}
	return fmt.Errorf("it got %.200s", text)
}

// leave goes, in one of the ways.
func (c *soakClient) leave() error {
	way := rand.N(ways)
	c.left[way].Add(1)
	if err := c.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	socket := kinds[c.kind].name != "stream"
	switch way {
	case politely:
		if socket {
			return c.closing()
		}
		return c.conn.Close()
	case byReset:
		return c.raw.SetLinger(0)
	case inBetween:
		if socket {
			_, err := c.conn.Write([]byte("\x81\x85\x00\x00\x00\x00he"))
			return err
		}
	case byHalf:
		if over, ok := c.conn.(*tls.Conn); ok {
			if err := over.CloseWrite(); err != nil {
				return err
			}
		}
		if err := c.raw.CloseWrite(); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, c.conn); errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the gateway does not end a connection of which it can get nothing more: %w", err)
		}
	}
	return nil
}

// closing says a close, and reads up to the gateway's.
func (c *soakClient) closing() error {
	if err := c.say(ws.OpClose, "\x03\xe8"); err != nil {
		return err
	}
	rest, err := io.ReadAll(c.in)
	if err != nil {
		return fmt.Errorf("after a close: %w", err)
	}
	if !strings.HasSuffix(string(rest), "\x88\x02\x03\xe8") {
		return fmt.Errorf("after a close it got %q at the end", rest[max(0, len(rest)-20):])
	}
	return nil
}
