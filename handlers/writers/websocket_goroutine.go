package writers

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/wsframe"
	"sluice/store/share"
)

// goroutineSocket is a socket with two goroutines of its own: one writes, and the other reads and handles messages. If the
// socket is exclusive, the one that writes handles them too.
type goroutineSocket struct {
	*Stream
	config *Config
	turns  *sync.Pool
	conn   net.Conn
	group  *broker.Group // nil: the subscriber is alone in its group
	marked []*broker.Subscriber
	ctx    context.Context
	heard  chan heard
	gone   chan error    // has one value, once the reader has ended
	on     chan struct{} // lets the reader go on after a message
	taking atomic.Bool   // the reader handles a message
	owes   bool          // an answer was not sent yet
	cut    atomic.Bool   // by Cut
	closer func()        // closes the connection

	// What a write that waits may not outlast; see stalled.
	root    atomic.Pointer[broker.Subscriber]
	who     atomic.Pointer[auth.Identity]
	stalled *stalled
}

// newTurns makes a pool that lends a Turn to a socket only while it has something to write. Each door has a pool of its own: a Turn
// has what the door said last, in memory that the next socket overwrites.
func newTurns() *sync.Pool { return &sync.Pool{New: func() any { return new(Turn) }} }

// piece is the most bytes in one write, so that it shows what a slow client takes.
const piece = 16 << 10

// Written returns how many bytes the connection has taken.
func (g *goroutineSocket) Written() int64 { return g.web.written.Load() }

// Cut closes the connection of a client that reads too slowly.
func (g *goroutineSocket) Cut() {
	g.cut.Store(true)
	g.closer()
}

// serveSocket serves a socket to its end.
func (w *Writers) serveSocket(c echo.Context, s *Stream, group *broker.Group) (broker.End, error) {
	conn, read, err := hijack(c, 101)
	if err != nil {
		return Gone, err
	}
	g := &goroutineSocket{
		Stream: s, config: w.config, turns: w.turns, conn: conn, group: group, heard: make(chan heard), gone: make(chan error, 1), on: make(chan struct{}, 1),
		closer: func() { _ = conn.Close() }, // it may be gone
	}
	if line := share.ConnOf(c.Request().Context()); line != nil {
		g.closer = line.Cut // closing TLS would wait for a write in progress
	}
	ctx, cancel := context.WithCancel(share.WithConn(c.Request().Context(), g))
	g.ctx = ctx
	g.stalled = newStalled(g.over, g.closer, s.Lease, 0)
	head := appendUpgrade(nil, c.Response().Header())
	DropHead(c)
	done := make(chan struct{})
	defer func() { // after a panic as well
		cancel()
		g.closer()
		<-done
	}()
	go func() {
		defer close(done)
		err := errPanic
		defer func() { g.gone <- err }()
		defer s.contain()
		err = g.read(read)
	}()
	if err := g.write(head); err != nil {
		return Gone, err
	}
	end := g.run()
	if end.Code != 0 {
		g.close(&end)
	}
	return end.Reason, end.Cause
}

// over reports whether a write that waits has lasted long enough. The timer of stalled calls it.
func (g *goroutineSocket) over() bool {
	who := g.who.Load()
	return g.root.Load().Ending() != "" || who != nil && who.Over(time.Now()) != nil
}

// always can be received from at any time.
var always = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// run serves the socket until it is to be closed.
func (g *goroutineSocket) run() Closing {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		more, end := g.say()
		if end != nil {
			return *end
		}
		var again chan struct{}
		if more {
			again = always
		}
		timer.Reset(g.untilNext(time.Now()))
		select {
		case err := <-g.gone:
			end = g.endOfReader(err)
		case <-again:
		case <-g.Subscriber.Wake():
		case h := <-g.heard:
			end = g.hear(&h)
		case <-timer.C:
			end = g.tick(time.Now())
		}
		if end != nil {
			return *end
		}
	}
}

// wake names the subscribers that have something, and returns the position up to which these are all.
func (g *goroutineSocket) wake() (position uint64) {
	if g.group == nil {
		return 0
	}
	position = g.config.Broker.Head()
	g.marked = g.group.Take(g.marked[:0])
	for _, sub := range g.marked {
		g.web.conv.Woken(sub)
	}
	clear(g.marked)
	return position
}

func (g *goroutineSocket) untilNext(now time.Time) time.Duration {
	wait := time.Hour
	if due := g.web.conv.Due(); !due.IsZero() {
		wait = min(wait, due.Sub(now))
	}
	if g.web.options.Ping > 0 {
		next := g.web.nextPing
		if by := g.web.pongBy; by != 0 {
			next = min(next, by)
		}
		wait = min(wait, time.Duration(next-clock(now))*time.Millisecond+time.Millisecond)
	}
	return max(wait, 0)
}

// say writes what there is to say. more reports that there is more.
func (g *goroutineSocket) say() (more bool, end *Closing) {
	said, err, werr := g.utter()
	if werr != nil {
		return false, g.endAfterWriteError(werr)
	}
	if err != nil {
		return false, g.closing("", err)
	}
	if reason := g.Subscriber.Ending(); reason != "" && !said.Owes {
		return false, g.closing(reason, nil)
	}
	if g.owes && !said.Owes {
		g.owes = false
		g.on <- struct{}{}
	}
	if said.Next == broker.Behind {
		if err := g.web.conv.Work(g.ctx); err != nil {
			return false, g.fail(err)
		}
	}
	return said.Next != broker.Idle, nil
}

// utter writes what the conversation says next. The second error is one of the connection.
func (g *goroutineSocket) utter() (said Say, err, werr error) {
	turn := g.turns.Get().(*Turn)
	turn.Position = g.wake()
	defer func() {
		turn.trim()
		turn.Block.Clear()
		g.turns.Put(turn)
	}()
	said, err = g.web.conv.Serve(turn, time.Now())
	if len(said.Frames) == 0 {
		return said, err, nil
	}
	if !said.Own && !g.charge(g.config, len(said.Frames)) {
		return said, err, os.ErrDeadlineExceeded // as for a client that takes nothing: the rest would stay in memory
	}
	defer g.refund()
	return said, err, g.write(said.Frames)
}

func (g *goroutineSocket) closing(reason broker.End, err error) *Closing {
	c := g.web.closing(reason, err)
	return &c
}

// fail ends the socket by an error of the conversation, after what that has still to say.
func (g *goroutineSocket) fail(err error) *Closing {
	if _, _, werr := g.utter(); werr != nil {
		return g.endAfterWriteError(werr)
	}
	return g.closing("", err)
}

// write writes in pieces.
func (g *goroutineSocket) write(b []byte) error {
	g.root.Store(g.Subscriber)
	g.who.Store(g.web.conv.Identity())
	g.stalled.begin()
	defer g.stalled.end()
	for len(b) > 0 {
		g.web.conv.Wrote(len(b), time.Now())
		n, err := g.conn.Write(b[:min(len(b), piece)])
		g.bytes.Add(int64(n))
		g.web.written.Add(int64(n))
		g.config.Observer.Wrote(n)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	g.web.conv.Wrote(0, time.Now())
	return nil
}

// endAfterWriteError returns how a socket ends whose client cannot be written to.
func (g *goroutineSocket) endAfterWriteError(err error) *Closing {
	reason := g.Subscriber.Ending()
	switch {
	case g.cut.Load():
		reason = Slow
	case reason != "":
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = Slow
	default:
		reason = Gone
	}
	return &Closing{Reason: reason, Cause: err}
}

// tick does what is due by the clock. What the client has said while this goroutine was busy comes first: it may be what the client
// had a time for.
func (g *goroutineSocket) tick(now time.Time) *Closing {
	select {
	case h := <-g.heard:
		return g.hear(&h)
	default:
	}
	ping, alive := g.web.sayPing(now, g.config.WriteTimeout, g.taking.Load() || g.owes)
	if !alive {
		return &Closing{Reason: Slow, Cause: errNoPong}
	}
	if ping {
		if err := g.write(wsframe.AppendPing(nil)); err != nil {
			return g.endAfterWriteError(err)
		}
	}
	if _, err := g.web.conv.Tick(now); err != nil {
		return g.fail(err)
	}
	return nil
}
