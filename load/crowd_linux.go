package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// crowd has all subscribers. One goroutine reads them.
type crowd struct {
	run     uint64
	each    int // subscribers on a connection
	http2   bool
	ends    bool // the answers should end
	target  unix.SockaddrInet4
	secure  *tls.Config // nil: clear text
	wait    time.Duration
	epfd    int
	links   []link
	members []member
	buf     []byte

	joined   atomic.Int64 // the number of members that the reading goroutine may access
	open     atomic.Int64 // the number of members that are open
	received atomic.Uint64
	check    Check   // belongs to the reading goroutine until that has ended
	latency  Latency // belongs to the reading goroutine until that has ended
	failed   atomic.Pointer[error]
	quit     atomic.Bool
	done     chan struct{}
}

// member is one subscriber.
type member struct {
	began    bool // its answer has
	open     bool // it counts as connected
	body     body
	messages []byte // frames to send once the answer has begun
	tally    tally
	stalled  atomic.Bool
}

// newCrowd makes a crowd that uses TLS (nil: clear text), and HTTP/2 with some streams a connection (0: HTTP/1.1).
func newCrowd(run uint64, addr *net.TCPAddr, secure *tls.Config, http2 int, wait time.Duration) (*crowd, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll descriptor: %w", err)
	}
	c := &crowd{run: run, secure: secure, each: max(1, http2), http2: http2 > 0, wait: wait, epfd: epfd, buf: make([]byte, 256<<10), done: make(chan struct{})}
	c.target.Port = addr.Port
	copy(c.target.Addr[:], addr.IP.To4())
	return c, nil
}

// sources is the number of addresses that connections come from, 127.0.0.2 to 20: one address has only about 28,000 ports.
const sources = 19

// gather makes room for subscribers.
func (c *crowd) gather(subscribers int) {
	c.members = make([]member, subscribers)
	c.links = make([]link, (subscribers+c.each-1)/c.each)
}

// join connects a subscriber, or opens its stream, and sends its request.
func (c *crowd) join(i int, request string) error {
	at := i / c.each
	l := &c.links[at]
	fresh := i%c.each == 0
	var err error
	if fresh {
		*l, err = newLink(at, &c.target, c.secure, c.wait)
		l.first = i
	}
	send := []byte(request)
	if c.http2 && fresh {
		l.streams = newStreams(c.each)
		send = append(l.streams.preface(), l.streams.request(0, request)...)
	} else if c.http2 {
		send = l.streams.request(i%c.each, request)
	}
	c.joined.Store(int64(i) + 1)
	if err == nil {
		_, err = l.conn.Write(send)
	}
	if err == nil && fresh {
		err = unix.EpollCtl(c.epfd, unix.EPOLL_CTL_ADD, l.socket.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(at)})
	}
	if err != nil {
		return fmt.Errorf("connecting subscriber %d: %w", i, err)
	}
	return nil
}

// stall stops the reading of a subscriber that has a connection of its own. wakeAll starts it again for all.
func (c *crowd) stall(i int) error {
	c.members[i].stalled.Store(true)
	if err := unix.EpollCtl(c.epfd, unix.EPOLL_CTL_MOD, c.links[i].socket.fd, &unix.EpollEvent{Fd: int32(i)}); err != nil {
		return fmt.Errorf("stalling subscriber %d: %w", i, err)
	}
	return nil
}

func (c *crowd) wakeAll() error {
	for i := range c.members {
		if !c.members[i].stalled.Load() {
			continue
		}
		if err := unix.EpollCtl(c.epfd, unix.EPOLL_CTL_MOD, c.links[i].socket.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			return fmt.Errorf("reading subscriber %d again: %w", i, err)
		}
	}
	return nil
}

// read is the reading goroutine.
func (c *crowd) read() {
	defer close(c.done)
	events := make([]unix.EpollEvent, 1024)
	for !c.quit.Load() {
		n, err := unix.EpollWait(c.epfd, events, 50)
		if err != nil && err != unix.EINTR {
			c.fail(fmt.Errorf("waiting for events: %w", err))
			return
		}
		for i := range max(n, 0) {
			if err := c.readOne(int(events[i].Fd)); err != nil {
				c.fail(err)
				return
			}
		}
	}
}

func (c *crowd) fail(err error) { c.failed.CompareAndSwap(nil, &err) }

// readOne reads what has arrived on a connection.
func (c *crowd) readOne(at int) error {
	if int64(at*c.each) >= c.joined.Load() {
		return nil
	}
	l := &c.links[at]
	for {
		n, err := l.conn.Read(c.buf)
		switch {
		case errors.Is(err, errEmpty):
			return nil
		case err == io.EOF && c.ends:
			return unix.EpollCtl(c.epfd, unix.EPOLL_CTL_DEL, l.socket.fd, nil)
		case err == io.EOF:
			return fmt.Errorf("subscriber %d: the server ended the stream", l.first)
		case err != nil:
			return fmt.Errorf("subscriber %d: %w", l.first, err)
		}
		if err := c.take(l, c.buf[:n]); err != nil {
			return err
		}
		if !l.more() {
			return nil
		}
	}
}

// take gives bytes to the members that they are for.
func (c *crowd) take(l *link, p []byte) error {
	if l.streams == nil {
		return c.feed(l, l.first, p)
	}
	if err := l.streams.feed(p, multiplexed{c, l}); err != nil {
		return fmt.Errorf("subscriber %d: %w", l.first, err)
	}
	if l.streams.replies.Len() > 0 {
		if _, err := l.streams.replies.WriteTo(l.conn); err != nil {
			return fmt.Errorf("subscriber %d: answering frames: %w", l.first, err)
		}
	}
	return nil
}

// multiplexed gives what HTTP/2 streams report to their members.
type multiplexed struct {
	c *crowd
	l *link
}

func (m multiplexed) answered(stream int, status string) error {
	i := m.l.first + stream
	if status != "200" {
		return fmt.Errorf("the answer has status %s", status)
	}
	m.c.members[i].body.started = true
	return m.c.feed(m.l, i, nil)
}

func (m multiplexed) data(stream int, p []byte) error { return m.c.feed(m.l, m.l.first+stream, p) }

func (m multiplexed) ended(int) error {
	if m.c.ends {
		return nil
	}
	return errors.New("the server ended the stream")
}

// feed gives bytes to one member.
func (c *crowd) feed(l *link, i int, p []byte) error {
	if int64(i) >= c.joined.Load() {
		return fmt.Errorf("subscriber %d gets an answer that it did not ask for", i)
	}
	m := &c.members[i]
	stalled := m.stalled.Load()
	began, before := m.began, c.check.Received
	now := time.Now().UnixMicro()
	err := m.body.feed(p, func(k marker) {
		m.tally.add(k, c.run, &c.check)
		if !stalled {
			c.latency.add(time.Duration(now-k.sent) * time.Microsecond)
		}
	})
	if err != nil {
		return fmt.Errorf("subscriber %d: %w", i, err)
	}
	if m.began = m.body.started; !began && m.began && len(m.messages) > 0 {
		if _, err := l.conn.Write(m.messages); err != nil {
			return fmt.Errorf("subscriber %d: sending its messages: %w", i, err)
		}
	}
	if w := m.body.frames; w != nil && len(w.pongs) > 0 {
		if _, err := l.conn.Write(w.pongs); err != nil {
			return fmt.Errorf("subscriber %d: answering a ping: %w", i, err)
		}
		w.pongs = w.pongs[:0]
	}
	if !m.open && m.body.open() {
		m.open = true
		c.open.Add(1)
	}
	c.received.Add(c.check.Received - before)
	return nil
}

// close ends the reading goroutine and all connections.
func (c *crowd) close() {
	c.quit.Store(true)
	<-c.done
	for i := range c.links {
		if fd := c.links[i].socket.fd; fd > 0 {
			_ = unix.Close(fd) // nothing is written any more
		}
	}
	_ = unix.Close(c.epfd)
}
