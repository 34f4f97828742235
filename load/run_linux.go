package load

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Run makes the load and measures it.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	addr, err := address(o.Target)
	if err != nil {
		return nil, err
	}
	publishAt := cmp.Or(o.PublishAt, o.Target)
	publishAddr, err := address(publishAt)
	if err != nil {
		return nil, err
	}
	// With few threads, the reading goroutine would prevent the publishers from reading their answers for 10 ms at a time.
	// With more threads, the kernel divides the processors among them.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0))))
	if err := enoughFiles(o.Subscribers/max(1, o.HTTP2) + o.Publishers + 64); err != nil {
		return nil, err
	}
	protocol := protocolHTTP1
	if o.HTTP2 > 0 {
		protocol = protocolHTTP2
	}
	subscribing, err := o.secure(o.Target, protocol)
	if err != nil {
		return nil, err
	}
	publishing, err := o.secure(publishAt, protocolHTTP1)
	if err != nil {
		return nil, err
	}
	r := &run{o: &o, addr: addr, number: rand.Uint64N(1 << 32), report: &Report{Target: o.Target, Subscribers: o.Subscribers, HTTP2: o.HTTP2, Channels: o.Channels, Size: o.Size, Publishers: o.Publishers, Batch: o.Batch, Rate: o.Rate}}
	if r.crowd, err = newCrowd(r.number, addr, subscribing, o.HTTP2, o.Wait); err != nil {
		return nil, err
	}
	r.publishers = newPublishers(&o, r.number, publishAddr, publishing)
	r.crowd.ends = o.Read > 0
	go r.crowd.read() // close ends it and waits for it
	err = r.all(ctx)
	r.crowd.close()
	if err != nil && !errors.Is(err, errQuiet) {
		return nil, err
	}
	return r.report, errors.Join(err, r.finish())
}

func enoughFiles(need int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	if limit.Cur < uint64(need) {
		return fmt.Errorf("the limit of open files is %d, and %d are needed; raise it with ulimit -n, for the server too", limit.Cur, need)
	}
	return nil
}

// run is one run of the generator.
type run struct {
	o          *Options
	addr       *net.TCPAddr
	number     uint64
	crowd      *crowd
	publishers *publishers
	report     *Report
	resume     string // the id to subscribe after
}

func (r *run) all(ctx context.Context) error {
	if err := r.publishers.makeRooms(ctx); err != nil {
		return err
	}
	if r.o.Resume > 0 {
		if err := r.prepareResume(ctx); err != nil {
			return err
		}
	}
	if r.o.Read > 0 {
		if err := r.prepareRead(ctx); err != nil {
			return err
		}
	}
	if err := r.connect(ctx); err != nil {
		return err
	}
	if r.o.Events == 0 {
		return nil
	}
	return r.publish(ctx)
}

// prepareResume publishes the events that the subscribers will have missed. They resume after the first event, whose id an
// extra subscriber reads.
func (r *run) prepareResume(ctx context.Context) error {
	reader := r.publishers.requester(0)
	if err := reader.dial(ctx); err != nil {
		return err
	}
	defer reader.close()
	conn := reader.conn
	head, err := r.subscription(0)
	if err != nil {
		return err
	}
	if _, err := conn.Write([]byte(head)); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	time.Sleep(300 * time.Millisecond)
	if err := r.publishers.publish(ctx, 1, 0); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	ids := regexp.MustCompile(`(?m)^id: ?(.+?)\r?$`)
	var text []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		text = append(text, buf[:n]...)
		found := false
		rest := scan(text, func(marker) { found = true })
		if all := ids.FindAllSubmatch(text, -1); found && len(all) > 0 && bytes.HasSuffix(text, []byte("\n")) {
			r.resume = string(all[len(all)-1][1])
			break
		}
		_ = rest
		if err != nil {
			return fmt.Errorf("no event with an id arrived to resume after: %w", err)
		}
	}
	for i := range r.publishers.counts {
		clear(r.publishers.counts[i])
	}
	r.publishers.sent.Store(0)
	return r.publishers.publish(ctx, r.o.Resume, 0)
}

// subscription returns the head of a subscriber's request.
func (r *run) subscription(i int) (string, error) {
	channel := i % r.o.Channels
	extra := []string{"Accept: text/event-stream"}
	if r.o.WebSocket {
		extra = upgrade
	}
	if r.resume != "" {
		extra = append(extra, "Last-Event-ID: "+r.resume)
	}
	path := fill(r.o.Subscribe, "{i}", fmt.Sprint(i), "{channel}", fmt.Sprint(channel), "{room}", r.publishers.rooms[channel])
	return r.o.request("GET", path, extra, i, channel)
}

// prepare makes a member ready for the answer that it will get.
func (r *run) prepare(i int) (err error) {
	m := &r.crowd.members[i]
	m.tally = newTally(i%r.o.Channels, r.o.Publishers)
	if r.o.WebSocket {
		m.body.frames = &frames{}
	}
	if r.o.inRooms() {
		m.body.seqs = &seqs{wrong: &r.crowd.check.Unsequenced}
	}
	if r.o.Count != "" {
		m.body.counted = &counted{finder: finder{text: []byte(r.o.Count)}, all: r.publishers}
	}
	if r.o.Ready != "" {
		m.body.ready = &finder{text: []byte(r.o.Ready)}
	}
	m.messages, err = r.o.messages(i, i%r.o.Channels)
	return err
}

func (r *run) connect(ctx context.Context) error {
	o := r.o
	before, err := processes(o.PIDs)
	if err != nil {
		return err
	}
	r.crowd.gather(o.Subscribers)
	start := time.Now()
	for i := range o.Subscribers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.prepare(i); err != nil {
			return err
		}
		head, err := r.subscription(i)
		if err != nil {
			return err
		}
		// Only a few at a time, because the queue for new connections is short.
		for int64(i)-r.crowd.open.Load() >= 128 {
			if err := r.pause(ctx, start, "connected", int(r.crowd.open.Load()), o.Subscribers); err != nil {
				return err
			}
		}
		if err := r.crowd.join(i, head); err != nil {
			return err
		}
	}
	if err := r.until(ctx, "connected", o.Subscribers, func() int { return int(r.crowd.open.Load()) }); err != nil {
		return err
	}
	if past := o.Resume + o.Read; past > 0 {
		if err := r.until(ctx, "replayed", past*o.Subscribers, func() int { return int(r.crowd.received.Load()) }); err != nil {
			return err
		}
	}
	r.report.Connect.Seconds = time.Since(start).Seconds()
	after, err := processes(o.PIDs)
	if err != nil {
		return err
	}
	time.Sleep(o.Hold)
	idle, err := processes(o.PIDs)
	if err != nil {
		return err
	}
	r.report.connected(before, after, idle)
	for i := range o.Stalled {
		if err := r.crowd.stall(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) publish(ctx context.Context) error {
	before, err := processes(r.o.PIDs)
	if err != nil {
		return err
	}
	own, err := process(os.Getpid())
	if err != nil {
		return err
	}
	r.publishers.latency = Latency{}
	base, start := r.crowd.received.Load(), time.Now()
	done := make(chan error, 1)
	go func() { done <- r.publishers.publish(ctx, r.o.Events, r.o.Rate) }() // the loop below waits for it
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			running = false
		case <-tick.C:
			r.progress("published", int(r.publishers.sent.Load()), r.o.Events, start)
			if err := r.crowd.failed.Load(); err != nil {
				return *err
			}
		}
	}
	published := time.Since(start)
	want := r.expected(false)
	err = r.until(ctx, "delivered", int(want), func() int { return int(r.crowd.received.Load() - base) })
	delivered := time.Since(start)
	after, perr := processes(r.o.PIDs)
	mine, merr := process(os.Getpid())
	if err := errors.Join(err, perr, merr); err != nil && !errors.Is(err, errQuiet) {
		return err
	}
	r.report.published(r, before, after, published, delivered, want)
	r.report.GeneratorCPU = float64(mine.cpu-own.cpu) / float64(delivered)
	if r.o.Stalled == 0 {
		return nil
	}
	if err := r.crowd.wakeAll(); err != nil {
		return err
	}
	all := r.expected(true)
	err = r.until(ctx, "delivered to stalled subscribers", int(all-want), func() int { return int(r.crowd.received.Load() - base - want) })
	if errors.Is(err, errQuiet) {
		return nil // the check counts what is missing
	}
	return err
}

// expected returns the number of deliveries, with or without those to stalled subscribers.
func (r *run) expected(stalled bool) uint64 {
	var n uint64
	first := r.o.Stalled
	if stalled {
		first = 0
	}
	for i := first; i < len(r.crowd.members); i++ {
		for p := range r.publishers.counts {
			n += uint64(r.publishers.counts[p][i%r.o.Channels])
		}
	}
	if r.o.Resume > 0 {
		n -= uint64(r.o.Resume * len(r.crowd.members))
	}
	return n
}

// errQuiet ends the wait for events that do not arrive.
var errQuiet = errors.New("nothing has arrived for too long")

// until waits until a count reaches its end. It returns errQuiet if the count stops growing before.
func (r *run) until(ctx context.Context, what string, want int, count func() int) error {
	start, last, moved := time.Now(), -1, time.Now()
	for {
		n := count()
		if n >= want {
			return nil
		}
		if n != last {
			last, moved = n, time.Now()
		}
		if time.Since(moved) > r.o.Wait {
			return fmt.Errorf("%w: %s %d of %d", errQuiet, what, n, want)
		}
		if err := r.pause(ctx, start, what, n, want); err != nil {
			return err
		}
	}
}

func (r *run) pause(ctx context.Context, start time.Time, what string, n, want int) error {
	if err := r.crowd.failed.Load(); err != nil {
		return *err
	}
	r.progress(what, n, want, start)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}

func (r *run) progress(what string, n, want int, start time.Time) {
	if r.o.Progress != nil {
		r.o.Progress(fmt.Sprintf("%s %d of %d, %.1f s", what, n, want, time.Since(start).Seconds()))
	}
}

// finish counts the events that never arrived as lost.
func (r *run) finish() error {
	c := &r.crowd.check
	for i := range r.crowd.members {
		m := &r.crowd.members[i]
		for p := range r.publishers.counts {
			if total := r.publishers.counts[p][i%r.o.Channels]; m.tally.next[p] < total {
				c.Lost += uint64(total - m.tally.next[p])
			}
		}
	}
	r.report.Check = *c
	r.report.Delivery.latency(&r.crowd.latency)
	if !c.OK() {
		return fmt.Errorf("some events were lost, repeated or out of order: %s", c)
	}
	return nil
}
