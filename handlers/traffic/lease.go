package traffic

import (
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/handlers/writers"
	"sluice/store/share"
)

// Opener opens the streams of one door.
type Opener struct {
	Door    string // for the log
	Kind    Kind   // of its connections, unless Lease.SetKind says otherwise
	Traffic *Traffic
	Broker  *broker.Broker
	Logger  *slog.Logger
}

// Lease is everything that one stream has taken: its place among the limits, its subscriber, its memory, its door's counts,
// and its count in the metrics. End gives everything back, once, however the stream ends.
//
//	        Enter or EnterOpen            Begin or Serve
//	empty ----------------------> entered --------------> begun
//	  |                              |                      |
//	  | Close, End                   | Close, End           | End
//	  v                              v                      v
//	                             ended
//
// One goroutine has the lease at a time: the handler's, and from Serve on the writer's. Contain, Panicked, End and Close are
// for any goroutine.
type Lease struct {
	writers.Stream

	opener *Opener
	more   *leaseExtra // nil: a place of its credential or address, and nothing else
	place  place
	begun  bool
	kind   Kind
	over   transport
	flags  atomic.Uint32 // one word: with two, a lease would take 288 bytes of the heap instead of 256
}

const (
	flagEnded  uint32 = 1 << iota // End was called
	flagFailed                    // a goroutine of the stream has panicked
)

// place is what limits count a stream as.
type place uint8

const (
	noPlace           place = iota
	placeOfCredential       // of scope
	placeOfAddress          // of the network of From
	placePending            // of more.pending
)

// leaseExtra is separate because most streams do not need it: a lease without it is small.
type leaseExtra struct {
	releasers     []Releaser // most streams have few
	firstReleaser [1]Releaser
	account       *share.Account
	pending       *Pending
	scope         string // of the credential that a socket is counted for, once it has authenticated; "": of Identity
}

// Releaser is something that a stream has until its end.
type Releaser interface{ Release() }

// ReleaseFunc is a function as a Releaser.
type ReleaseFunc func()

// Release calls f.
func (f ReleaseFunc) Release() { f() }

// Lease makes the lease of a request's stream, which has taken nothing yet. The caller defers Close.
func (o *Opener) Lease(c echo.Context, who *auth.Identity) *Lease {
	l := &Lease{opener: o, kind: o.Kind, over: transportOf(c.Request())}
	l.Identity, l.From, l.Started, l.Lease = who, c.RealIP(), time.Now(), l
	l.RequestID = c.Response().Header().Get(echo.HeaderXRequestID)
	return l
}

func (l *Lease) extra() *leaseExtra {
	if l.more == nil {
		l.more = &leaseExtra{}
		l.more.releasers = l.more.firstReleaser[:0]
	}
	return l.more
}

// Hold adds to the lease what the door has taken for the stream. The end releases the newest first.
func (l *Lease) Hold(r Releaser) {
	m := l.extra()
	m.releasers = append(m.releasers, r)
}

// SetKind says what the connection is for, before it begins.
func (l *Lease) SetKind(k Kind) { l.kind = k }

// Enter takes a place of the credential, or returns why there is none.
func (l *Lease) Enter() error { return l.enter(placeOfCredential) }

// EnterOpen takes a place for clients without a credential, or returns why there is none.
func (l *Lease) EnterOpen() error { return l.enter(placeOfAddress) }

func (l *Lease) enter(p place) error {
	t := l.opener.Traffic
	if !t.gate.enter() {
		return ErrDraining()
	}
	var over *httperr.Error
	if p == placeOfAddress {
		over = t.limits.takeOpen(peer.Network(l.From))
	} else {
		over = t.limits.take(l.Identity.Scope)
	}
	if over != nil {
		t.gate.leave()
		t.full.refused(over, t.census, l.opener.Logger)
		return over
	}
	if l.place = p; p == placeOfCredential {
		l.Identity.Hold()
	}
	return nil
}

// HoldFilter charges a filter's memory until the end, as Traffic.HoldFilter does.
func (l *Lease) HoldFilter(f *broker.Filter, free int64) error {
	charge, err := l.opener.Traffic.HoldFilter(l.Identity.Scope, f, free)
	if charge != (share.Charge{}) {
		l.Hold(&charge)
	}
	return err
}

// Account returns the account for the stream's memory without its filter; some bytes are free of charge. The first call
// opens it.
func (l *Lease) Account(free int64) *share.Account {
	m := l.extra()
	if m.account == nil {
		m.account = l.opener.Traffic.Memory.AccountAbove(l.Owner(), free)
	}
	return m.account
}

// Subscribe makes the stream's cursor, in a group or, if that is nil, in a group of its own.
func (l *Lease) Subscribe(f broker.Filter, g *broker.Group) (err error) {
	f.Holder = &l.Stream
	l.Subscriber, err = l.opener.Broker.Subscribe(f, g)
	return err
}

// SubscribeAt makes the cursor where the request's stream is written.
func (l *Lease) SubscribeAt(w *writers.Writers, c echo.Context, f broker.Filter) (writers.Place, error) {
	p := w.Place(c.Request(), l.Range.Ends())
	f.Chunked = p.Chunked
	return p, l.Subscribe(f, p.Group)
}

// Begin counts the stream as open. Only a stream that has begun is counted and logged at its end.
func (l *Lease) Begin() {
	l.begun = true
	l.opener.Traffic.opened(l.kind, l.over)
}

// Serve begins the stream and gives it to its writer, which ends it. The caller has set the answer's headers.
func (l *Lease) Serve(c echo.Context, p writers.Place) {
	l.Begin()
	p.Serve(c, &l.Stream)
}

// ServeSocket begins a conversation on the request's connection, and gives it to its writer, which ends it. What the client
// sends is charged to the account.
func (l *Lease) ServeSocket(c echo.Context, p writers.Place, conv writers.Conversation, o *writers.SocketOptions, account *share.Account) {
	l.Begin()
	p.ServeSocket(c, &l.Stream, conv, o, account)
}

// Close ends a stream that has not begun, so that an error or a panic before that leaks nothing. Once the stream has begun,
// Close does nothing.
func (l *Lease) Close() {
	if !l.begun {
		l.End(writers.End{Reason: writers.Failed})
	}
}

// End gives everything back; later calls do nothing. It gives the place back last: when Drain returns, nothing is in use.
func (l *Lease) End(end writers.End) {
	if l.flags.Or(flagEnded)&flagEnded != 0 {
		return
	}
	defer l.Contain()
	defer l.leave() // a panic of one step does not stop the next
	if l.begun {
		defer l.report(end)
	}
	if l.more != nil {
		defer l.releaseHeld()
	}
	if l.Subscriber != nil {
		l.Subscriber.Close()
	}
}

func (l *Lease) releaseHeld() {
	if a := l.more.account; a != nil {
		defer a.Close()
	}
	for _, r := range slices.Backward(l.more.releasers) {
		l.release(r)
	}
}

func (l *Lease) release(r Releaser) {
	defer l.Contain()
	r.Release()
}

// leave gives the place back.
func (l *Lease) leave() {
	t := l.opener.Traffic
	switch l.place {
	case noPlace:
		return
	case placeOfCredential:
		l.Identity.Release()
		t.limits.give(l.scope())
	case placeOfAddress:
		t.limits.giveOpen(peer.Network(l.From))
	case placePending:
		l.more.pending.Leave()
	}
	t.gate.leave()
}

// scope is the credential that the stream is counted for.
func (l *Lease) scope() string {
	if l.more != nil && l.more.scope != "" {
		return l.more.scope
	}
	return l.Identity.Scope
}

// report counts the stream's end and logs it, since middleware has seen only the beginning.
func (l *Lease) report(end writers.End) {
	l.opener.Traffic.closed(end.Reason, l.kind, l.over)
	attrs := []any{"who", l.Identity.Name, "kind", l.Identity.Kind, "from", l.From,
		"for", time.Since(l.Started).Round(time.Millisecond), "events", l.Subscriber.Sent(), "bytes", end.Bytes,
		"why", end.Reason, "request_id", l.RequestID}
	if end.Err != nil {
		attrs = append(attrs, "cause", end.Err)
	}
	l.opener.Logger.Info("stream ended", attrs...)
}

// Ending returns why the stream must end: its subscriber's reason, or Failed after a panic in one of its goroutines; else
// "".
func (l *Lease) Ending() broker.End {
	if l.flags.Load()&flagFailed != 0 {
		return writers.Failed
	}
	return l.Subscriber.Ending()
}

// Contain is deferred by each goroutine of a stream, so that it runs before the call that wakes the lease's goroutine. A
// panic then ends this stream and not the process: Contain logs it, and Ending reports it.
func (l *Lease) Contain() {
	if cause := recover(); cause != nil {
		l.Panicked(cause)
	}
}

// Panicked logs a panic of one of the stream's goroutines, with the stack. It is for the function that recovers.
func (l *Lease) Panicked(cause any) {
	l.flags.Or(flagFailed)
	l.opener.Logger.Error("a stream panicked", "door", l.opener.Door, "cause", cause, "stack", string(debug.Stack()), "request_id", l.RequestID)
}
