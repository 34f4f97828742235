package load

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// filler is an event that the subscribers do not read. It has a different name and stream, but the same length.
const filler = `{"event":"filler","stream":"filler","data":"{payload}"}`

// fillBatch is the number of fillers in one request.
const fillBatch = 500

// prepareRead publishes the events that the subscribers will read, evenly distributed among fillers.
func (r *run) prepareRead(ctx context.Context) error {
	sender := r.publishers.requester(0)
	defer sender.close()
	start, read, among := time.Now(), r.o.Read, r.o.Among
	for i := range read {
		others := among*(i+1)/read - among*i/read
		if err := r.publishers.scatter(ctx, sender, others); err != nil {
			return err
		}
		r.progress("stored", i+1+among*(i+1)/read, read+among, start)
	}
	return r.calm(ctx)
}

// scatter publishes fillers (others of them), then an event.
func (p *publishers) scatter(ctx context.Context, r *requester, others int) error {
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
		request, err := p.request(nil, body, 0, p.before)
		if err != nil {
			return err
		}
		p.before++
		if _, err := r.send(ctx, request, p.o.repeatable()); err != nil {
			return fmt.Errorf("storing the events to read: %w", err)
		}
		if others == 0 {
			return nil
		}
	}
}

// calm waits until the server has finished its work after the publishes, so that the measurement has only the reading. It
// waits for two seconds with almost no CPU, or for a minute.
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
