// Command floor is what the machine can do: a bare epoll loop that sends what is published to all who have asked,
// with nothing that a product needs. It writes each event to each socket at once, or, with -coalesce, all that has
// gathered in one round. With -websocket the subscribers have WebSockets, and events are pushes as a room's.
package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"log"
	"net"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// most is what may wait for one socket: more than any row of the comparison sends to one subscriber.
const most = 4 << 20

type conn struct {
	fd      int
	in      []byte // of a request, as far as it is there
	out     []byte // what the kernel did not take
	reading bool   // it is a subscriber
}

type loop struct {
	epfd, listener int
	coalesce       bool
	websocket      bool
	conns          map[int]*conn
	subscribers    []*conn
	gathered       []byte
	id             uint64
	buf            [64 << 10]byte
}

func main() {
	addr := flag.String("addr", "127.0.0.1:9004", "where to listen")
	coalesce := flag.Bool("coalesce", false, "send what has gathered in one round with one write")
	websocket := flag.Bool("websocket", false, "the subscribers have WebSockets")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	l := &loop{coalesce: *coalesce, websocket: *websocket, conns: map[int]*conn{}}
	if err := l.listen(*addr); err != nil {
		log.Fatal(err)
	}
	log.Fatal(l.run())
}

func (l *loop) listen(addr string) error {
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	if l.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	_ = unix.SetsockoptInt(l.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	at := unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}
	if err := unix.Bind(l.listener, &at); err != nil {
		return err
	}
	if err := unix.Listen(l.listener, 4096); err != nil {
		return err
	}
	if l.epfd, err = unix.EpollCreate1(0); err != nil {
		return err
	}
	return unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, l.listener, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.listener)})
}

func (l *loop) run() error {
	events := make([]unix.EpollEvent, 1024)
	for {
		n, err := unix.EpollWait(l.epfd, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		for _, ev := range events[:n] {
			fd := int(ev.Fd)
			if fd == l.listener {
				l.accept()
				continue
			}
			c := l.conns[fd]
			if c == nil {
				continue
			}
			// Both may come at once, and an edge is reported only once.
			if ev.Events&unix.EPOLLOUT != 0 && len(c.out) > 0 {
				l.flush(c)
			}
			if ev.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
				l.read(c)
			}
		}
		if len(l.gathered) > 0 {
			l.deliver(l.gathered)
			l.gathered = l.gathered[:0]
		}
	}
}

func (l *loop) accept() {
	for {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK)
		if err != nil {
			return
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		l.conns[fd] = &conn{fd: fd}
		_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET&0xffffffff, Fd: int32(fd)})
	}
}

func (l *loop) read(c *conn) {
	for {
		n, err := unix.Read(c.fd, l.buf[:])
		if err == unix.EAGAIN {
			return
		}
		if n <= 0 {
			l.drop(c)
			return
		}
		if c.reading {
			continue
		}
		c.in = append(c.in, l.buf[:n]...)
		for l.request(c) {
		}
	}
}

// request takes one whole request out of what has come.
func (l *loop) request(c *conn) bool {
	end := bytes.Index(c.in, []byte("\r\n\r\n"))
	if end < 0 {
		return false
	}
	if bytes.HasPrefix(c.in, []byte("GET ")) {
		begin := head
		if l.websocket {
			begin = upgraded(header(c.in[:end+2], "Sec-WebSocket-Key: "))
		}
		c.in, c.reading = nil, true
		l.subscribers = append(l.subscribers, c)
		l.write(c, []byte(begin))
		return false
	}
	length, _ := strconv.Atoi(header(c.in[:end+2], "Content-Length: "))
	if len(c.in) < end+4+length {
		return false
	}
	l.publish(c.in[end+4 : end+4+length])
	c.in = c.in[:copy(c.in, c.in[end+4+length:])]
	l.write(c, []byte(answer))
	return len(c.in) > 0
}

// header is the value of a line of a head.
func header(head []byte, name string) string {
	_, value, _ := bytes.Cut(head, []byte(name))
	value, _, _ = bytes.Cut(value, []byte("\r\n"))
	return string(value)
}

// upgraded is the answer that begins a WebSocket: RFC 6455, 4.2.2.
func upgraded(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
}

func (l *loop) publish(body []byte) {
	l.id++
	if l.websocket {
		l.gathered = appendPush(l.gathered, body, l.id)
	} else {
		l.gathered = append(l.gathered, "id: "...)
		l.gathered = strconv.AppendUint(l.gathered, l.id, 10)
		l.gathered = append(l.gathered, "\ndata: "...)
		l.gathered = append(l.gathered, body...)
		l.gathered = append(l.gathered, "\n\n"...)
	}
	if !l.coalesce {
		l.deliver(l.gathered)
		l.gathered = l.gathered[:0]
	}
}

// appendPush appends a frame of text that is longer than 125 bytes and no longer than 65,535: a room's push.
func appendPush(dst, value []byte, seq uint64) []byte {
	text := append([]byte(`{"type":"push","key":"bench","value":"`), value...)
	text = strconv.AppendUint(append(text, `","seq":`...), seq, 10)
	text = append(text, '}')
	dst = append(dst, 0x81, 126)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(text)))
	return append(dst, text...)
}

func (l *loop) deliver(b []byte) {
	for _, c := range l.subscribers {
		l.write(c, b)
	}
}

// write sends b, or keeps it behind what the kernel has not taken yet: the edge that says there is room again
// is still to come then, and to ask before costs a system call.
func (l *loop) write(c *conn, b []byte) {
	if len(c.out) == 0 {
		b = l.send(c, b)
	}
	if len(c.out)+len(b) > most {
		// It ends as if the client had gone: the loop finds a socket to be read, at its end.
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
		c.out = nil
		return
	}
	c.out = append(c.out, b...)
}

// flush sends what was kept.
func (l *loop) flush(c *conn) {
	c.out = c.out[:copy(c.out, l.send(c, c.out))]
	if len(c.out) == 0 {
		c.out = nil
	}
}

// send returns the bytes that the kernel does not accept now. For a socket that has failed it returns nothing: the next
// read from it fails, and drops it.
func (l *loop) send(c *conn, b []byte) []byte {
	for len(b) > 0 {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if errno == unix.EAGAIN {
			return b
		}
		if errno != 0 {
			return nil
		}
		b = b[n:]
	}
	return nil
}

func (l *loop) drop(c *conn) {
	delete(l.conns, c.fd)
	_ = unix.Close(c.fd)
	for i, s := range l.subscribers {
		if s == c {
			l.subscribers = append(l.subscribers[:i], l.subscribers[i+1:]...)
			return
		}
	}
}
