package traffic

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/share"
)

// opener is one over a gateway's parts, with a log to look into.
func opener(t *testing.T, l Limits) (o *Opener, log *strings.Builder) {
	t.Helper()
	events, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Close() })
	b, m, log := broker.New(events, broker.Options{}), share.NewMemory(1<<20, 1<<20), &strings.Builder{}
	return &Opener{Door: DoorOther, Traffic: New(NewMetrics(prometheus.NewRegistry(), b, m), l, m), Broker: b, Logger: slog.New(slog.NewTextHandler(log, nil))}, log
}

func (o *Opener) lease(scope string) *Lease {
	c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder())
	return o.Lease(c, &auth.Identity{Name: scope, Scope: scope})
}

// nothing wants nothing to be taken, and nobody to be waited for.
func (o *Opener) nothing(t *testing.T) {
	t.Helper()
	l := o.Traffic.limits
	if o.Traffic.Streams() != 0 || o.Broker.Count() != 0 || o.Traffic.Memory.Held() != 0 || len(l.byKey)+len(l.byNetwork) != 0 || o.Traffic.gate.n != 0 {
		t.Errorf("left are %d streams, %d subscribers, %d bytes, %v, %v, %d at the gate",
			o.Traffic.Streams(), o.Broker.Count(), o.Traffic.Memory.Held(), l.byKey, l.byNetwork, o.Traffic.gate.n)
	}
	if n := o.Traffic.Counts().Connections; n != 0 {
		t.Errorf("%v connections are counted", n)
	}
}

// begin has a lease take one of each.
func begin(t *testing.T, l *Lease) {
	t.Helper()
	if err := l.Enter(); err != nil {
		t.Fatal(err)
	}
	if err := l.Account(0).Take(100); err != nil {
		t.Fatal(err)
	}
	if err := l.Subscribe(broker.Filter{}, nil); err != nil {
		t.Fatal(err)
	}
	l.Begin()
}

// TestLeaseEndsOnce: of many calls of End, one gives back what there is, and logs.
func TestLeaseEndsOnce(t *testing.T) {
	t.Parallel()
	o, log := opener(t, Limits{Connections: 10})
	l := o.lease("a")
	released := 0
	l.Hold(ReleaseFunc(func() { released++ }))
	begin(t, l)
	l.Close()
	if o.Traffic.Streams() != 1 {
		t.Error("Close has ended a stream that has begun")
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { l.End(writers.End{Reason: writers.Gone}) })
	}
	group.Wait()
	o.nothing(t)
	if n := strings.Count(log.String(), "stream ended"); n != 1 || released != 1 {
		t.Errorf("logged %d times, released %d times", n, released)
	}
}

// TestLeaseOutlivesPanics: a panic in one thing that is given back does not keep the others.
func TestLeaseOutlivesPanics(t *testing.T) {
	t.Parallel()
	o, log := opener(t, Limits{Connections: 10})
	l := o.lease("a")
	released := 0
	for range 3 {
		l.Hold(ReleaseFunc(func() { released++; panic("in a door") }))
	}
	begin(t, l)
	l.End(writers.End{Reason: writers.Gone})
	o.nothing(t)
	if released != 3 || !strings.Contains(log.String(), "in a door") {
		t.Errorf("released %d of 3; the log: %s", released, log)
	}
}

// TestLeaseCloses: whatever is taken when something fails is given back.
func TestLeaseCloses(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(*Opener, *Lease) error{
		"nothing":   func(*Opener, *Lease) error { return nil },
		"a place":   func(_ *Opener, l *Lease) error { return l.Enter() },
		"an open":   func(_ *Opener, l *Lease) error { return l.EnterOpen() },
		"a pending": func(o *Opener, l *Lease) error { return l.EnterPending(o.Broker.NewGroup()) },
	} {
		o, _ := opener(t, Limits{Connections: 2, Pending: 2})
		l := o.lease("")
		if err := take(o, l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		l.Close()
		l.Close()
		o.nothing(t)
	}
}

// TestAuthenticate: a socket is counted for who it is last, once.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	o, _ := opener(t, Limits{Connections: 10, ConnectionsPerKey: 1, Pending: 10})
	group := o.Broker.NewGroup()
	l := o.lease("")
	if err := l.EnterPending(group); err != nil {
		t.Fatal(err)
	}
	l.Begin()
	for _, scope := range []string{"a", "b", "b", "a"} {
		if err := l.Authenticate(&auth.Identity{Scope: scope}, group); err != nil {
			t.Fatal(scope, err)
		}
		if o.Traffic.limits.byKey[scope] != 1 || len(o.Traffic.limits.byKey) != 1 || o.Broker.Count() != 1 {
			t.Fatalf("%s: %v, %d subscribers", scope, o.Traffic.limits.byKey, o.Broker.Count())
		}
	}
	other := o.lease("b")
	if err := other.Enter(); err != nil {
		t.Fatal(err)
	}
	if err := l.Authenticate(&auth.Identity{Scope: "b"}, group); err == nil {
		t.Error("b has two connections")
	}
	other.Close()
	l.End(writers.End{Reason: writers.Gone})
	o.nothing(t)
}

// TestAuthenticateFails: a socket that cannot become somebody's, and whose place was taken meanwhile, is counted where it is.
func TestAuthenticateFails(t *testing.T) {
	t.Parallel()
	o, _ := opener(t, Limits{ConnectionsPerKey: 1})
	group, l, other := o.Broker.NewGroup(), o.lease("a"), o.lease("a")
	if err := l.Enter(); err != nil {
		t.Fatal(err)
	}
	if err := l.SubscribeAs(l.Identity, group); err != nil {
		t.Fatal(err)
	}
	l.Begin()
	// Between the move to b and the way back, another takes the place of a.
	if err := l.move("b"); err != nil {
		t.Fatal(err)
	}
	if err := other.Enter(); err != nil {
		t.Fatal(err)
	}
	if err := l.move("a"); err == nil {
		t.Error("a has two connections")
	}
	l.End(writers.End{Reason: writers.Gone})
	if o.Traffic.limits.byKey["a"] != 1 || len(o.Traffic.limits.byKey) != 1 {
		t.Errorf("counted are %v, want the other's", o.Traffic.limits.byKey)
	}
	other.Close()
	o.nothing(t)
}

// TestAuthenticateWhileDraining: a socket that authenticates just then ends, and Drain does not wait for it for ever.
func TestAuthenticateWhileDraining(t *testing.T) {
	t.Parallel()
	o, _ := opener(t, Limits{Pending: 10})
	group, l := o.Broker.NewGroup(), o.lease("")
	if err := l.EnterPending(group); err != nil {
		t.Fatal(err)
	}
	l.Begin()
	o.Broker.Drain()
	if err := l.Authenticate(&auth.Identity{Scope: "a"}, group); err == nil {
		t.Error("it goes on")
	}
	if l.Ending() != broker.EndDraining {
		t.Errorf("it ends by %q", l.Ending())
	}
	l.End(writers.End{Reason: l.Ending()})
	o.nothing(t)
	if err := o.Traffic.Drain(context.Background(), o.Broker); err != nil {
		t.Error(err)
	}
}

// TestContain: a panic of a stream's goroutine ends the stream.
func TestContain(t *testing.T) {
	t.Parallel()
	o, log := opener(t, Limits{})
	l := o.lease("a")
	begin(t, l)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer l.Contain()
		panic("in a goroutine")
	}()
	<-done
	if l.Ending() != writers.Failed {
		t.Errorf("it ends by %q", l.Ending())
	}
	for _, want := range []string{"in a goroutine", "stack=", "TestContain"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log: %s", want, log)
		}
	}
	l.End(writers.End{Reason: l.Ending()})
	o.nothing(t)
}

// The operator learns which connections there are when MAX_CONNECTIONS refuses one, once a minute. A limit of one credential
// is its own matter.
func TestFullIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, log := opener(t, Limits{Connections: 2})
		room := o.lease("room")
		room.SetKind(KindRoomSocket)
		if err := room.EnterOpen(); err != nil {
			t.Fatal(err)
		}
		if err := room.Subscribe(broker.Filter{}, nil); err != nil {
			t.Fatal(err)
		}
		room.Begin()
		for _, scope := range []string{"a", "b"} {
			begin(t, o.lease(scope))
		}
		for range 3 {
			if err := o.lease("c").Enter(); err == nil {
				t.Fatal("it entered")
			}
		}
		const want = "stream over clear: 2, room_socket over clear: 1"
		if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, want) || !strings.Contains(got, "MAX_CONNECTIONS") {
			t.Errorf("%s, want %s", got, want)
		}
		time.Sleep(warnEvery)
		if err := o.lease("c").Enter(); err == nil || strings.Count(log.String(), "level=WARN") != 2 {
			t.Errorf("after a minute: %v %s", err, log)
		}
	})
}

// A credential's own limit is no matter of the operator's, and descriptors have their own warning.
func TestFullIsNotLogged(t *testing.T) {
	t.Parallel()
	o, log := opener(t, Limits{ConnectionsPerKey: 1, Descriptors: NewDescriptors(100, func(int) int { return 0 }, slog.New(slog.DiscardHandler))})
	begin(t, o.lease("a"))
	if err := o.lease("a").Enter(); err == nil {
		t.Error("it entered")
	}
	o.Traffic.limits.descriptors.scarce.Store(true)
	if err := o.lease("b").Enter(); err == nil {
		t.Error("it entered")
	}
	if log.Len() != 0 {
		t.Errorf("%s", log)
	}
}

// A lease must stay in its size class of the heap: there is one for each stream.
func TestLeaseIsSmall(t *testing.T) {
	t.Parallel()
	if n := unsafe.Sizeof(Lease{}); n > 256 {
		t.Errorf("a lease has %d bytes", n)
	}
}

// Counts of several gateways are added.
func TestAddByKind(t *testing.T) {
	t.Parallel()
	sum := ByKind{}
	for range 2 {
		sum.Add(ByKind{"feed": {"tls": 1}, "stream": {"clear": 2, "http2": 3}})
	}
	if got, want := sum.String(), "stream over clear: 4, stream over http2: 6, feed over tls: 2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
