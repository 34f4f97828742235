package load

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// filler is an event that is not to be read. It is of another name and another stream than what is, and as long.
const filler = `{"event":"filler","stream":"filler","data":"{payload}"}`

// fillBatch is how many of them go into a request.
const fillBatch = 500

// prepareRead publishes what the subscribers are to read, evenly among the others.
func (r *run) prepareRead(ctx context.Context) error {
	conn, err := r.publishers.dial(ctx, 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	answers := bufio.NewReader(conn)
	start, read, among := time.Now(), r.o.Read, r.o.Among
	for i := range read {
		others := among*(i+1)/read - among*i/read
		if err := r.publishers.scatter(conn, answers, others); err != nil {
			return err
		}
		r.tell("stored", i+1+among*(i+1)/read, read+among, start)
	}
	return r.calm(ctx)
}

// scatter publishes so many others, then an event.
func (p *publishers) scatter(conn net.Conn, answers *bufio.Reader, others int) error {
	other := fill(filler, "{payload}", strings.Repeat("0123456789abcdef", p.o.Size/16+1)[:p.o.Size])
	for {
		n := min(others, fillBatch)
		others -= n
		body := append([]byte{'['}, strings.Repeat(other+",", n)...)
		if others == 0 {
			body = append(p.event(body, 0, 0, 0), ']')
		} else {
			body[len(body)-1] = ']'
		}
		request, err := p.request(nil, body, 0, 0)
		if err != nil {
			return err
		}
		if _, err := roundTrip(conn, answers, request); err != nil {
			return fmt.Errorf("storing what is to be read: %w", err)
		}
		if others == 0 {
			return nil
		}
	}
}

// calm waits until the server has put away what was stored, which is no part of reading it: two seconds with next
// to no CPU, or a minute.
func (r *run) calm(ctx context.Context) error {
	idle := 0
	for range 120 {
		before, err := processes(r.o.PIDs)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
		after, err := processes(r.o.PIDs)
		if err != nil {
			return err
		}
		if idle++; after.cpu-before.cpu > 2*time.Second/ticks {
			idle = 0
		}
		if idle == 4 || len(r.o.PIDs) == 0 {
			return nil
		}
	}
	return nil
}
