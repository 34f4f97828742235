package load

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// crowd has all subscribers. One goroutine reads them.
type crowd struct {
	run     uint64
	ends    bool // the answers should end
	target  unix.SockaddrInet4
	epfd    int
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
	fd       int
	body     body
	messages []byte // frames to send once the answer has begun
	tally    tally
	stalled  atomic.Bool
}

func newCrowd(run uint64, addr *net.TCPAddr) (*crowd, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll descriptor: %w", err)
	}
	c := &crowd{run: run, epfd: epfd, buf: make([]byte, 256<<10), done: make(chan struct{})}
	c.target.Port = addr.Port
	copy(c.target.Addr[:], addr.IP.To4())
	return c, nil
}

// sources is the number of addresses that connections come from, 127.0.0.2 to 20: one address has only about 28,000 ports.
const sources = 19

// join connects a subscriber and sends its request.
func (c *crowd) join(i int, request string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making socket %d (is the limit of open files high enough?): %w", i, err)
	}
	c.members[i].fd = fd
	from := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%sources)}}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &from),
		unix.Connect(fd, &c.target),
	)
	if err == nil {
		_, err = unix.Write(fd, []byte(request))
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	c.joined.Store(int64(i) + 1)
	if err == nil {
		err = unix.EpollCtl(c.epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
	}
	if err != nil {
		return fmt.Errorf("connecting subscriber %d: %w", i, err)
	}
	return nil
}

// stall stops the reading of a subscriber. wakeAll starts it again for all.
func (c *crowd) stall(i int) error {
	c.members[i].stalled.Store(true)
	if err := unix.EpollCtl(c.epfd, unix.EPOLL_CTL_MOD, c.members[i].fd, &unix.EpollEvent{Fd: int32(i)}); err != nil {
		return fmt.Errorf("stalling subscriber %d: %w", i, err)
	}
	return nil
}

func (c *crowd) wakeAll() error {
	for i := range c.members {
		if !c.members[i].stalled.Load() {
			continue
		}
		if err := unix.EpollCtl(c.epfd, unix.EPOLL_CTL_MOD, c.members[i].fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
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

func (c *crowd) readOne(i int) error {
	if int64(i) >= c.joined.Load() {
		return nil
	}
	m := &c.members[i]
	stalled := m.stalled.Load()
	n, err := unix.Read(m.fd, c.buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("subscriber %d: %w", i, err)
	case n == 0 && c.ends:
		return unix.EpollCtl(c.epfd, unix.EPOLL_CTL_DEL, m.fd, nil)
	case n == 0:
		return fmt.Errorf("subscriber %d: the server ended the stream", i)
	}
	began, open, before := m.body.started, m.body.open(), c.check.Received
	now := time.Now().UnixMicro()
	err = m.body.feed(c.buf[:n], func(k marker) {
		m.tally.add(k, c.run, &c.check)
		if !stalled {
			c.latency.add(time.Duration(now-k.sent) * time.Microsecond)
		}
	})
	if err != nil {
		return fmt.Errorf("subscriber %d: %w", i, err)
	}
	if !began && m.body.started && len(m.messages) > 0 {
		if _, err := unix.Write(m.fd, m.messages); err != nil {
			return fmt.Errorf("subscriber %d: sending its messages: %w", i, err)
		}
	}
	if w := m.body.frames; w != nil && len(w.pongs) > 0 {
		if _, err := unix.Write(m.fd, w.pongs); err != nil {
			return fmt.Errorf("subscriber %d: answering a ping: %w", i, err)
		}
		w.pongs = w.pongs[:0]
	}
	if !open && m.body.open() {
		c.open.Add(1)
	}
	c.received.Add(c.check.Received - before)
	return nil
}

// close ends the reading goroutine and all connections.
func (c *crowd) close() {
	c.quit.Store(true)
	<-c.done
	for i := range c.members {
		if fd := c.members[i].fd; fd > 0 {
			_ = unix.Close(fd) // nothing is written any more
		}
	}
	_ = unix.Close(c.epfd)
}
