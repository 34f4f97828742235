package writers

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/auth"
	"sluice/broker"
)

// ends is a lease that notes how its stream ended.
type ends struct{ all []End }

func (e *ends) End(end End)        { e.all = append(e.all, end) }
func (e *ends) Panicked(cause any) { panic(cause) }

// loneSocket is a socket on a shard that nobody runs: the test takes each step, and says what time it is.
func loneSocket(t *testing.T, k socket, conv Conversation, o *SocketOptions) (*shard, *Stream, *ends) {
	t.Helper()
	sh, err := newShard(&Config{Observer: counter{}, WriteTimeout: time.Minute, PingInterval: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	dup, err := unix.Dup(int(k.fd)) // the shard closes its own
	if err != nil {
		t.Fatal(err)
	}
	if k.fd = int32(dup); k.tls != nil {
		k.tls.fd = k.fd
	}
	lease := &ends{}
	s := &Stream{Subscriber: &broker.Subscriber{}, Lease: lease, socket: k}
	s.web = newWebSocket(conv, o, nil)
	sh.streams, sh.generations = []*Stream{s}, []uint32{0}
	t.Cleanup(func() {
		sh.drop(s, Gone, nil)
		sh.fetches.close()
		sh.yielder.close()
		_ = sh.epoll.Close()
	})
	return sh, s, lease
}

// working is a conversation that has something to do at first, which takes until release.
type working struct {
	silent
	release chan struct{}
	did     bool
}

func (w *working) Serve(*Turn, time.Time) (Say, error) {
	if !w.did {
		return Say{Next: broker.Behind}, nil
	}
	return Say{}, nil
}

func (w *working) Work(context.Context) error {
	<-w.release
	w.did = true
	return nil
}

// A socket that waits for the store, or for its turn, gets its pings: who hears nothing for long takes the connection for dead,
// and who gets no ping cannot answer it in time.
func TestPingWhileWorkWaits(t *testing.T) {
	fd, client := pair(t)
	conv := &working{release: make(chan struct{})}
	sh, s, lease := loneSocket(t, socket{fd: fd}, conv, &SocketOptions{Ping: time.Second})
	now := time.Now()
	sh.step(s)
	sh.checkSocket(s, now.Add(2*time.Second))
	if err := client.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "\x89\x00" {
		t.Errorf("%x %v", got, err)
	}
	if len(lease.all) > 0 {
		t.Errorf("it has ended: %+v", lease.all)
	}
	close(conv.release)
	sh.jobs.Wait()
}

// owned is a conversation of a client whose credential has ended.
type owned struct{ silent }

func (owned) Identity() *auth.Identity { return &auth.Identity{Expires: time.Unix(1, 0)} }

// fill writes to a socket until its client takes no more.
func (sh *shard) fill(s *Stream) {
	for !s.socket.blocked {
		sh.utter(s, &Say{Frames: make([]byte, 100_000)}, time.Now())
	}
}

// A client that takes nothing at the moment when its credential ends has a second to take what was sent, as a stream has. Then
// it hears that it is to authenticate again. Who takes nothing is cut.
func TestBlockedAtTheEndOfItsCredential(t *testing.T) {
	for name, reads := range map[string]bool{"who reads on": true, "who reads nothing": false} {
		t.Run(name, func(t *testing.T) {
			fd, client := pair(t)
			sh, s, lease := loneSocket(t, socket{fd: fd}, owned{}, &SocketOptions{})
			sh.fill(s)
			now := time.Now()
			sh.checkSocket(s, now)
			sh.checkSocket(s, now.Add(maxLinger/2))
			if len(lease.all) > 0 {
				t.Fatalf("it has ended: %+v", lease.all)
			}
			if reads {
				go func() { _, _ = io.Copy(io.Discard, client) }() // ends with the connection
				for deadline := time.Now().Add(10 * time.Second); s.socket.blocked; runtime.Gosched() {
					if time.Now().After(deadline) {
						t.Fatal("it is still blocked")
					}
					if queued(fd) == 0 {
						sh.eventOfSocket(s, unix.EPOLLOUT)
					}
				}
			}
			sh.checkSocket(s, now.Add(maxLinger+time.Millisecond))
			if ended := len(lease.all) > 0; ended == reads {
				t.Errorf("it has ended: %v", ended)
			} else if ended && (lease.all[0].Reason != Gone || !errors.Is(lease.all[0].Err, errStalled)) {
				t.Errorf("%+v", lease.all)
			}
		})
	}
}

// A message that has begun need not arrive in full while the gateway does not read: over TLS it reads nothing of a client that
// takes nothing.
func TestHalfMessageWhileNotRead(t *testing.T) {
	k, client, _ := tlsPair(t, tls.VersionTLS13)
	sh, s, lease := loneSocket(t, *k, silent{}, &SocketOptions{ReadTimeout: time.Second})
	if _, err := client.Write([]byte("\x81\x85\x00\x00\x00\x00he")); err != nil {
		t.Fatal(err)
	}
	for !s.web.reader.Under() {
		s.web.shared.more = true
		sh.step(s)
	}
	sh.fill(s)
	now := time.Now()
	for range 5 {
		now = now.Add(700 * time.Millisecond)
		sh.checkSocket(s, now)
	}
	if len(lease.all) > 0 {
		t.Fatalf("it has ended: %+v", lease.all)
	}
	go func() { _, _ = io.Copy(io.Discard, client) }() // ends with the connection
	for deadline := time.Now().Add(10 * time.Second); s.socket.blocked; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it is still blocked")
		}
		if queued(s.socket.fd) == 0 {
			sh.eventOfSocket(s, unix.EPOLLOUT)
		}
	}
	sh.checkSocket(s, now.Add(2*time.Second))
	if len(lease.all) == 0 || !errors.Is(lease.all[0].Err, errHalf) {
		t.Errorf("once it is read again: %+v", lease.all)
	}
}

// A client that goes on sending is not late because its reads never end at the end of a frame: each frame has its own time.
func TestEachFrameHasItsTime(t *testing.T) {
	fd, client := pair(t)
	sh, s, lease := loneSocket(t, socket{fd: fd}, silent{}, &SocketOptions{ReadTimeout: time.Second})
	ping := "\x89\x80\x00\x00\x00\x00"
	now := time.Now()
	for i, piece := range []string{ping[:3], ping[3:] + ping[:3], ping[3:] + ping[:3], ping[3:] + ping[:3]} {
		if _, err := io.WriteString(client, piece); err != nil {
			t.Fatal(err)
		}
		for queuedIn(t, fd) < len(piece) {
			runtime.Gosched()
		}
		s.web.shared.more = true
		sh.hear(s, now)
		sh.say(s, now)
		now = now.Add(700 * time.Millisecond)
		if sh.checkSocket(s, now); len(lease.all) > 0 {
			t.Fatalf("after %d pieces it has ended: %+v", i+1, lease.all)
		}
	}
	if sh.checkSocket(s, now.Add(time.Second)); len(lease.all) == 0 {
		t.Error("half a ping is no reason to end")
	}
}

// An event of a stream that is gone concerns no later one, also where a crowd has left and the places begin anew.
func TestEventOfAnEarlierStream(t *testing.T) {
	fd, _ := pair(t)
	sh, s, lease := loneSocket(t, socket{fd: fd}, silent{}, &SocketOptions{})
	first, _ := pair(t)
	dup, err := unix.Dup(int(first)) // the shard closes its own
	if err != nil {
		t.Fatal(err)
	}
	gone := &Stream{Subscriber: &broker.Subscriber{}, Lease: &ends{}, socket: socket{fd: int32(dup)}}
	gone.web = newWebSocket(silent{}, &SocketOptions{}, nil)
	sh.streams, sh.generations, sh.free = nil, nil, nil
	sh.enter(gone)
	late := unix.EpollEvent{Events: unix.EPOLLHUP, Fd: gone.socket.slot, Pad: int32(sh.generations[gone.socket.slot])}
	for range 2000 { // a crowd
		sh.streams, sh.generations, sh.free = append(sh.streams, nil), append(sh.generations, 1), append(sh.free, int32(len(sh.streams)))
	}
	sh.drop(gone, Gone, nil)
	if sh.shrink(); sh.streams != nil {
		t.Fatal("the places are kept")
	}
	sh.enter(s)
	if sh.event(&late); len(lease.all) > 0 || s.socket.slot != late.Fd {
		t.Errorf("in place %d it has ended: %+v", s.socket.slot, lease.all)
	}
}

// What a door remembers of what it said last is never lent to another door.
func TestDoorsShareNoTurns(t *testing.T) {
	var doors [2]*Writers
	for i := range doors {
		var err error
		if doors[i], err = New(Config{Shards: -1, Observer: counter{}, WriteTimeout: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		for i, w := range doors {
			server, client := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, client) }() // ends with the pipe
			conv := &remembering{door: i}
			s := &Stream{Subscriber: &broker.Subscriber{}, Lease: &ends{}}
			s.web = newWebSocket(conv, &SocketOptions{}, nil)
			g := &goroutineSocket{Stream: s, config: w.config, conn: server, turns: w.turns}
			g.stalled = newStalled(g.over, func() {}, s.Lease, 0)
			if _, err, werr := g.utter(); err != nil || werr != nil {
				t.Fatal(err, werr)
			}
			g.stalled.close()
			if conv.other {
				t.Fatal("a door has what another one has said")
			}
			server.Close()
		}
	}
}

// remembering is a conversation that leaves the number of its door in its Turn.
type remembering struct {
	silent
	door  int
	other bool
}

func (r *remembering) Serve(t *Turn, _ time.Time) (Say, error) {
	if before, ok := t.Memo.(int); ok && before != r.door {
		r.other = true
	}
	t.Memo, t.Out = r.door, append(t.Out[:0], bytes.Repeat([]byte("x"), 100)...)
	return Say{Frames: t.Out}, nil
}
