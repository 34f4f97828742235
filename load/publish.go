package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// publishers divide the events of a run among them. Each waits for the answer before the next request, so that its own
// events are in order.
type publishers struct {
	o       *Options
	run     uint64
	addr    *net.TCPAddr
	secure  *tls.Config    // nil: clear text
	sent    atomic.Int64   // events that were answered
	begun   atomic.Int64   // events that were published or are about to be; only for Options.Count
	times   []atomic.Int64 // when they were published, in µs since 1970; only for Options.Count
	counts  [][]uint32     // events by publisher and channel
	rooms   []string       // by channel
	before  int            // events of this run that were published before; only for {n}
	latency Latency        // of the answers; mu guards it
	mu      sync.Mutex
}

func newPublishers(o *Options, run uint64, addr *net.TCPAddr, secure *tls.Config) *publishers {
	p := &publishers{o: o, run: run, addr: addr, secure: secure, counts: make([][]uint32, o.Publishers)}
	for i := range p.counts {
		p.counts[i] = make([]uint32, o.Channels)
	}
	if o.Count != "" {
		p.times = make([]atomic.Int64, o.Events)
	}
	return p
}

// publish sends events. rate is that of all publishers together; 0 is no limit.
func (p *publishers) publish(ctx context.Context, events int, rate float64) error {
	var ticket atomic.Int64
	start := time.Now()
	defer func() { p.before += events }()
	return p.together(ctx, func(ctx context.Context, number int, r *requester) error {
		return p.one(ctx, number, r, events, rate, start, &ticket)
	})
}

// together runs work for each publisher, with a connection of its own. The first failure ends all.
func (p *publishers) together(ctx context.Context, work func(context.Context, int, *requester) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for i := range p.o.Publishers {
		group.Go(func() {
			r := p.requester(i)
			err := work(ctx, i, r)
			r.close()
			if err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// one runs one publisher. It takes the next batch from ticket, and waits for the time of that.
func (p *publishers) one(ctx context.Context, number int, r *requester, events int, rate float64, start time.Time, ticket *atomic.Int64) error {
	var body, request []byte
	to := p.o.To
	if to == 0 {
		to = p.o.Channels
	}
	for {
		turn := int(ticket.Add(int64(p.o.Batch))) - p.o.Batch
		if turn >= events {
			return nil
		}
		if rate > 0 {
			at := start.Add(time.Duration(float64(turn) / rate * float64(time.Second)))
			if wait := time.Until(at); wait > 0 {
				time.Sleep(wait)
			}
		}
		channel := turn / p.o.Batch % to
		n := min(p.o.Batch, events-turn)
		body = p.body(body[:0], number, channel, p.before+turn, n)
		var err error
		if request, err = p.request(request[:0], body, channel, p.before+turn); err != nil {
			return err
		}
		began := time.Now()
		p.begin(turn, n, began)
		if _, err := r.send(ctx, request, p.o.repeatable()); err != nil {
			return fmt.Errorf("publisher %d: %w", number, err)
		}
		p.mu.Lock()
		p.latency.add(time.Since(began))
		p.mu.Unlock()
		p.sent.Add(int64(n))
	}
}

// begin notes when events are published, for Options.Count.
func (p *publishers) begin(turn, n int, at time.Time) {
	if p.times == nil {
		return
	}
	for i := range n {
		p.times[turn+i].Store(at.UnixMicro())
	}
	p.begun.Add(int64(n))
}

// requester returns what sends the requests of a publisher.
func (p *publishers) requester(number int) *requester {
	return &requester{addr: p.addr, secure: p.secure, number: number}
}

// body appends one event, or a list of n events if Batch is more than 1.
func (p *publishers) body(dst []byte, number, channel, turn, n int) []byte {
	if p.o.Batch > 1 {
		dst = append(dst, '[')
	}
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.event(dst, number, channel, turn+i)
	}
	if p.o.Batch > 1 {
		dst = append(dst, ']')
	}
	return dst
}

// event appends the next event of a publisher.
func (p *publishers) event(dst []byte, number, channel, turn int) []byte {
	m := marker{run: p.run, channel: uint64(channel), publisher: uint64(number), number: uint64(p.counts[number][channel])}
	p.counts[number][channel]++
	return append(dst, fill(p.o.Body, "{channel}", strconv.Itoa(channel), "{n}", fmt.Sprintf("%09d", turn), "{payload}", string(m.payload(nil, p.o.Size)))...)
}

func (p *publishers) request(dst, body []byte, channel, turn int) ([]byte, error) {
	path := fill(p.o.Publish, "{channel}", strconv.Itoa(channel), "{room}", p.rooms[channel], "{n}", fmt.Sprintf("%09d", turn))
	var content []string
	if p.o.Body != "" {
		content = []string{"Content-Type: " + p.o.ContentType, "Content-Length: " + strconv.Itoa(len(body))}
	}
	head, err := p.o.request(cmp.Or(p.o.Method, http.MethodPost), path, content, 0, channel)
	if err != nil {
		return nil, err
	}
	head = fill(head, "{n}", fmt.Sprintf("%09d", turn), "{run}", strconv.FormatUint(p.run, 16))
	return append(append(dst, head...), body...), nil
}

// repeatable reports whether a publish may be sent again if it got no answer. The rule is net/http's: a method that changes
// nothing, or a key with which the server knows a repetition.
func (o *Options) repeatable() bool {
	switch o.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return slices.ContainsFunc(o.Headers, func(line string) bool {
		name, _, _ := strings.Cut(line, ":")
		return strings.EqualFold(strings.TrimSpace(name), "Idempotency-Key")
	})
}
