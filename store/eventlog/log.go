package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sluice/store/pause"
	"sluice/store/share"
)

// Options of a Log. Zero values mean the defaults named here.
type Options struct {
	QueueBytes int           // bytes that may wait for the committer, half of it for one owner; 64 MiB
	WaitLimit  time.Duration // how long a publisher waits for a commit; 10 s
	TryAgain   time.Duration // time between two tries to store what could not be stored; 100 ms
	KnownBytes int64         // memory for what is known of keyed spaces; 256 MiB
	Keys       int           // idempotency keys in memory, a fifth of them for one owner; 500,000
	Journal    Journal       // what the log applies; its own queue, which also begins a run. If it is Shared, call Start
	Logger     *slog.Logger
}

// Log gives ids and order to what publishers append, and answers readers.
type Log struct {
	engine  Engine
	shared  Shared // nil if the journal is the log's own
	clock   *Clock
	options Options
	answers *answers
	failed  <-chan struct{} // nil if the engine is no failer
	life    context.Context // ends with Close
	end     func()
	tail    func([]Event, uint64)
	edited  func(*Edit)
	stored  func(by share.Sender, first uint64, count int)

	settled   atomic.Uint64
	place     atomic.Uint64 // of the last entry that was applied
	proposals proposals
	barriers  barriers

	applying  sync.Mutex // locked while a group is applied, and by all that must run between two groups
	committer committer
	followers []follower
	derivers  []deriver

	awaited   atomic.Int64 // how many callers wait for settled to move
	expecting atomic.Int64 // conditional requests under way

	mu        sync.Mutex
	queue     queue
	moved     chan struct{} // closed and replaced when settled moves
	closed    bool
	abandoned error         // why nothing can be stored any more, or nil
	work      chan struct{} // has a token while the queue is not empty
	quit      chan struct{}
	working   sync.WaitGroup

	timers   sync.Pool // stopped timers, to reuse
	pendings sync.Pool // requests that were answered, to reuse their memory
}

// Open makes the log of an engine and starts its committer.
func Open(engine Engine, o Options) (*Log, error) {
	if o.QueueBytes == 0 {
		o.QueueBytes = 64 << 20
	}
	if o.KnownBytes == 0 {
		o.KnownBytes = cacheBytes
	}
	if o.WaitLimit == 0 {
		o.WaitLimit = 10 * time.Second
	}
	if o.TryAgain == 0 {
		o.TryAgain = 100 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Keys == 0 {
		o.Keys = maxKeysInAll
	}
	l := &Log{
		engine: engine, options: o, clock: engine.Clock(), answers: newAnswers(), queue: newQueue(o.QueueBytes),
		moved: make(chan struct{}), work: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	l.life, l.end = context.WithCancel(context.Background())
	if f, ok := engine.(failer); ok {
		l.failed = f.Failed()
	}
	applied := engine.Applied()
	l.settled.Store(applied.Last)
	if err := engine.Answers(expiredAnswers(applied.At), l.answers.add); err != nil {
		return nil, fmt.Errorf("reading remembered answers: %w", err)
	}
	l.committer = committer{log: l, engine: engine, applied: applied, recent: map[subject]uint64{}, cache: newSpaceCache(o.KnownBytes)}
	l.place.Store(applied.Place)
	switch j := o.Journal.(type) {
	case Shared:
		l.shared = j
		return l, l.committer.share()
	case Journal:
		l.start(j)
	default:
		l.start(&local{log: l, place: applied.Place})
		if err := l.begin(); err != nil {
			return nil, errors.Join(fmt.Errorf("beginning a run: %w", err), l.stop())
		}
	}
	return l, nil
}

// start starts the goroutines, which end with Close.
func (l *Log) start(journal Journal) {
	l.working.Go(func() { l.committer.run(journal) })
	l.working.Go(l.keep)
}

// begin begins a run, however long the disk takes.
func (l *Log) begin() error {
	p := l.pending(&Request{Run: true})
	if err := l.enqueue(p, ""); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-l.failed:
		return fmt.Errorf("%w: it has failed", ErrUnavailable)
	}
}

// Tail sets the function that gets each group of settled events, in order, with the settled position. It runs before
// the publishers get their answers. A group with only rows has no events. Ids of a group that failed are skipped. Call
// Tail before the first Append.
func (l *Log) Tail(f func(events []Event, position uint64)) {
	l.applying.Lock() // retention may cut already
	defer l.applying.Unlock()
	l.tail = f
}

// OnEdit sets the function that gets each edit before it is answered. Call OnEdit before the first Append.
func (l *Log) OnEdit(f func(*Edit)) {
	l.applying.Lock()
	defer l.applying.Unlock()
	l.edited = f
}

// OnStored sets the function that gets the sender of each request that was stored through this log, with the ids of its
// events. It is called before Append returns. Call OnStored before the first Append.
func (l *Log) OnStored(f func(by share.Sender, first uint64, count int)) { l.stored = f }

// note passes on who has sent a request that was just stored.
func (l *Log) note(ctx context.Context, r *Request, first uint64) {
	if l.stored == nil || first == 0 || r.Once != nil && r.Once.Replayed {
		return
	}
	if by, ok := share.SenderOf(ctx); ok {
		l.stored(by, first, len(r.Events))
	}
}

// Clock is the log's clock.
func (l *Log) Clock() *Clock { return l.clock }

// Settled is the newest position that readers may see.
func (l *Log) Settled() uint64 { return l.settled.Load() }

// Place is the place of the last entry that was applied.
func (l *Log) Place() uint64 { return l.place.Load() }

// Waiting is the number of bytes of requests that wait for their place in the journal.
func (l *Log) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.bytes
}

func (l *Log) settle(position uint64) {
	l.settled.Store(position)
	if l.awaited.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.moved)
	l.moved = make(chan struct{})
}

// Read is one bounded step of a reader: events of the query after an id, up to settled.
func (l *Log) Read(ctx context.Context, q *Query, after uint64, limit int) (Page, error) {
	if IsKeyed(q.Space) {
		return l.readKeyed(ctx, q, after, limit)
	}
	return l.engine.Read(ctx, q, after, l.Settled(), limit)
}

// Find is the id of the event with a key in a stream, 0 where there is none.
func (l *Log) Find(space, stream, key string) (uint64, error) {
	return l.engine.Find(space, stream, key)
}

// Streams describes some streams of a space without retention: see Reader.
func (l *Log) Streams(ctx context.Context, space, prefix, after string, limit int) ([]StreamState, error) {
	return l.engine.Streams(ctx, space, prefix, after, limit)
}

// Names describes some streams of any space: see Reader.
func (l *Log) Names(ctx context.Context, space, prefix, after string, limit int) (found []StreamState, next string, err error) {
	return l.engine.Names(ctx, space, prefix, after, limit)
}

// Row is the value of a row, nil where there is none.
func (l *Log) Row(key string) ([]byte, error) { return l.engine.Row(key) }

// Rows calls f for each row whose key begins with prefix, in order.
func (l *Log) Rows(prefix string, f func(Row) error) error { return l.engine.Rows(prefix, f) }

// Weight is the number of bytes that an event adds to State.Bytes.
func (l *Log) Weight(e *Event) int64 { return l.engine.Weight(e) }

// State describes a space.
func (l *Log) State(space string) (State, error) { return l.engine.State(space) }

// ErrNoBackup is the error of Backup if the engine stores nothing.
var ErrNoBackup = errors.New("there is nothing to copy: DATA_DIR=memory stores no files")

// Backup copies all that is acknowledged to a new folder. Appends go on meanwhile.
func (l *Log) Backup(dir string) error {
	b, ok := l.engine.(backuper)
	if !ok {
		return ErrNoBackup
	}
	return b.Backup(dir)
}

// Err is the reason that the log cannot serve now, or nil.
func (l *Log) Err() error {
	select {
	case <-l.quit:
		return ErrClosed
	default:
	}
	if h, ok := l.engine.(healther); ok {
		if err := h.Health(); err != nil {
			return err
		}
	}
	if l.shared != nil {
		return l.shared.Health()
	}
	return nil
}

// Damaged is the number of damaged changes in the log's files that were found since the start.
func (l *Log) Damaged() uint64 {
	if d, ok := l.engine.(damager); ok {
		return d.Damaged()
	}
	return 0
}

func (l *Log) dead() bool {
	select {
	case <-l.failed:
		return true
	default:
		return false
	}
}

// Append stores a request and returns the first of its consecutive ids, or 0 if it has no events. If the error is
// ErrUnknown, the request may have been stored, or may still be.
func (l *Log) Append(ctx context.Context, r *Request) (uint64, error) {
	p, err := l.prepare(r)
	if err == nil {
		err = l.enqueue(p, share.Owner(ctx))
	}
	if err != nil {
		if p.counted {
			l.expecting.Add(-1)
		}
		return 0, err
	}
	timer := l.timer()
	defer func() {
		timer.Stop()
		l.timers.Put(timer)
	}()
	for {
		select {
		case <-p.done:
			first, err := p.first, p.err
			l.reuse(p)
			if err == nil {
				l.note(ctx, r, first)
			}
			return first, err
		case <-ctx.Done():
			return p.giveUp(ctx.Err())
		case <-l.failed:
			return p.giveUp(fmt.Errorf("%w: it has failed", ErrUnavailable))
		case <-timer.C:
		}
		if !pause.Since(time.Now().Add(-l.options.WaitLimit)) {
			return p.giveUp(fmt.Errorf("%w: %w: no answer for %s", ErrUnavailable, l.silent(), l.options.WaitLimit))
		}
		timer.Reset(l.options.WaitLimit) // the process was suspended, so the disk has not had its time
	}
}

// silent is the reason why a publisher has no answer.
func (l *Log) silent() error {
	if l.shared != nil {
		return ErrSilent
	}
	return ErrNoAnswer
}

// timer returns a timer for WaitLimit. Since Go 1.23 a stopped timer leaves nothing in its channel, so it can be
// reused.
func (l *Log) timer() *time.Timer {
	if t, ok := l.timers.Get().(*time.Timer); ok {
		t.Reset(l.options.WaitLimit)
		return t
	}
	return time.NewTimer(l.options.WaitLimit)
}

// prepare looks up what the conditions need, and refuses a key that is taken. It does so before queueing, since looking up an absent stream takes 90 µs.
// It counts the request first: see committer.remember. With a shared journal, what is looked up here may be out of date, so
// the committer looks by itself.
func (l *Log) prepare(r *Request) (*pending, error) {
	p := l.pending(r)
	if l.shared != nil || !r.conditional() {
		return p, nil
	}
	p.counted = true
	l.expecting.Add(1)
	err := p.look(l.Settled(), l.engine)
	if err == nil && p.taken > 0 {
		err = &KeyError{p.taken - 1}
	}
	return p, err
}

// enqueue queues a request for an owner.
func (l *Log) enqueue(p *pending, owner string) error {
	if err := l.admit(p.request); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
	case l.dead():
		return fmt.Errorf("%w: it has failed", ErrUnavailable)
	case l.abandoned != nil:
		return l.abandoned
	case !l.queue.push(p, owner):
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrQueueFull)
	}
	select {
	case l.work <- struct{}{}:
	default:
	}
	return nil
}

// Close stores what waits, then closes the engine. With a shared journal, it stores nothing: the outcome of the message under
// way is unknown, and the others are refused. It does not wait for a failed engine. If a full disk blocks the
// engine, Close waits no longer than publishers do.
func (l *Log) Close() error {
	l.mu.Lock()
	already := l.closed
	l.closed = true
	l.mu.Unlock()
	if already {
		return nil
	}
	if err := l.stop(); err != nil || l.dead() {
		return err
	}
	return l.engine.Close()
}

// stop ends the goroutines, once they have stored what waits.
func (l *Log) stop() error {
	close(l.quit)
	l.end()
	if l.shared != nil {
		if err := l.shared.Close(); err != nil {
			l.options.Logger.Error("closing the journal", "cause", err)
		}
	}
	stopped := make(chan struct{})
	go func() { // ends with the goroutines that it waits for
		defer close(stopped)
		l.working.Wait()
	}()
	select {
	case <-stopped:
		l.refuseAll() // a log that has not started yet
		return nil
	case <-l.failed:
		return nil
	case <-time.After(l.options.WaitLimit):
		return fmt.Errorf("%w: the disk did not store the requests that waited", ErrUnavailable)
	}
}
