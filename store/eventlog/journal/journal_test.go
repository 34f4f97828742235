package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
	"sluice/store/eventlog"
)

const testSecret = "a secret of a cluster, for tests only"

func connect(t *testing.T, url, secret string) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(bus.Options{URL: url, Cluster: "test", Node: "n", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// made is a journal on one server, and its birth.
func made(t *testing.T) (b *bus.Bus, birth string) {
	t.Helper()
	b = connect(t, clustertest.NATS(t), testSecret)
	birth, _, err := Create(bounded(t), b, CreateOptions{Replicas: 1, Bytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return b, birth
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func opened(t *testing.T, b *bus.Bus, after uint64, o Options) *Journal {
	t.Helper()
	j := Open(b, after, o)
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// proposal is message n, with an event that has some data.
func proposal(n uint64, data string) *eventlog.Proposal {
	return &eventlog.Proposal{Number: n, Requests: []*eventlog.Request{{Events: []eventlog.Event{{Name: "put", Collection: "c", Data: []byte(data)}}}}}
}

func propose(t *testing.T, j *Journal, p *eventlog.Proposal) {
	t.Helper()
	if err := j.Propose(bounded(t), p); err != nil {
		t.Fatal(err)
	}
}

// next reads the data of n events. A message that was left out is "".
func next(t *testing.T, j *Journal, n int) (data []string) {
	t.Helper()
	for len(data) < n {
		got := j.Next()
		if len(got) == 0 {
			t.Fatalf("the journal ended after %q", data)
		}
		for _, e := range got {
			text := ""
			if e.Request != nil {
				text = string(e.Request.Events[0].Data)
			}
			data = append(data, text)
		}
	}
	return data
}

func expect(t *testing.T, j *Journal, want ...string) {
	t.Helper()
	if got := next(t, j, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the journal has %.100q, want %.100q", got, want)
	}
}

// TestEveryoneReadsTheSame: what any gateway proposes, all read, in one order, with one time; also who comes later.
func TestEveryoneReadsTheSame(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	one, two := opened(t, b, 1, Options{Birth: birth}), opened(t, b, 1, Options{Birth: birth})
	for n := uint64(1); n <= 300; n++ {
		propose(t, one, proposal(n, fmt.Sprintf(`"one %d"`, n)))
		propose(t, two, proposal(n, fmt.Sprintf(`"two %d"`, n)))
	}
	first, second, late := next(t, one, 600), next(t, two, 600), next(t, opened(t, b, 1, Options{Birth: birth}), 600)
	for i := range first {
		if first[i] != second[i] || first[i] != late[i] {
			t.Fatalf("message %d is %s, %s and %s", i, first[i], second[i], late[i])
		}
	}
	end, err := one.End(bounded(t))
	if err != nil || end != 601 {
		t.Errorf("the journal ends at %d (%v), want 601", end, err)
	}
}

// TestRepeatIsStoredOnce: a message that is proposed again has one place.
func TestRepeatIsStoredOnce(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	j := opened(t, b, 1, Options{Birth: birth})
	large := `"` + strings.Repeat("x", 3*int(b.Conn().MaxPayload())) + `"`
	for range 3 {
		propose(t, j, proposal(1, `"a"`))
	}
	for range 3 {
		propose(t, j, proposal(2, large))
	}
	propose(t, j, proposal(3, `"b"`))
	expect(t, j, `"a"`, large, `"b"`)
}

// TestPartsThatAreNoMessage: parts that somebody else wrote are left out, and what comes behind is read.
func TestPartsThatAreNoMessage(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	j := opened(t, b, 1, Options{Birth: birth})
	for _, part := range []string{"1/2", "2/2", "0/1", "x", "3/2", "1/1000000", "-1/5", ""} {
		m := &nats.Msg{Subject: b.Subject(subjectIn), Data: []byte("garbage"), Header: nats.Header{headPart: {part}}}
		if _, err := b.Conn().RequestMsgWithContext(bounded(t), m); err != nil {
			t.Fatal(err)
		}
	}
	propose(t, j, proposal(1, `"mine"`))
	var got []string
	for len(got) == 0 || got[len(got)-1] != `"mine"` { // several may come together
		got = next(t, j, 1)
	}
	if refused := j.Metrics().Refused.Load(); refused < 5 {
		t.Errorf("%d messages count as refused", refused)
	}
}

// TestStranger: whoever can write to the journal, but has not the secret, changes nothing; nor does a repeat of what a
// gateway has written, with another id and on either subject.
func TestStranger(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	j := opened(t, b, 1, Options{Birth: birth})
	stranger := connect(t, b.Conn().ConnectedUrl(), strings.Repeat("another secret ", 3))
	if _, err := Look(bounded(t), stranger); !errors.Is(err, ErrSecret) {
		t.Errorf("a gateway with another secret gets %v", err)
	}
	forged := opened(t, stranger, 1, Options{Birth: birth})
	propose(t, forged, proposal(1, `"forged"`))
	propose(t, j, proposal(1, `"mine"`))
	expect(t, j, "", `"mine"`)
	// What is published where JetStream sends on has a place that is not next, or that JetStream's own message has.
	for place := range 6 {
		m := &nats.Msg{Subject: b.Subject(subjectOut), Data: []byte("garbage"), Header: nats.Header{
			headPlace: {fmt.Sprint(place)}, headStamp: {time.Now().UTC().Format(time.RFC3339Nano)},
		}}
		if place == 4 {
			continue // the next one: see TestForgedPlace
		}
		if err := stranger.Conn().PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	propose(t, j, proposal(2, `"more"`))
	expect(t, j, `"more"`)
}

// TestForgedPlace: a message on the subject that JetStream sends on to is not believed if its seal is wrong: what is at that
// place is read directly.
func TestForgedPlace(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	j := opened(t, b, 1, Options{Birth: birth})
	propose(t, j, proposal(1, `"a"`))
	expect(t, j, `"a"`)
	m := &nats.Msg{Subject: b.Subject(subjectOut), Data: []byte("garbage"), Header: nats.Header{
		headPlace: {"3"}, headStamp: {time.Now().UTC().Format(time.RFC3339Nano)},
	}}
	if err := b.Conn().PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if err := b.Conn().FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	propose(t, j, proposal(2, `"b"`))
	expect(t, j, `"b"`)
}

// TestForgedRepeat: an old message that a stranger sends on once more, with the next place, is not believed either.
func TestForgedRepeat(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	heard := make(chan *nats.Msg, 10)
	listener, err := b.Conn().ChanSubscribe(b.Subject(subjectOut), heard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Unsubscribe() }() // the connection ends with the test
	j := opened(t, b, 1, Options{Birth: birth})
	propose(t, j, proposal(1, `"a"`))
	expect(t, j, `"a"`)
	forged := <-heard
	forged.Subject, forged.Reply = b.Subject(subjectOut), ""
	forged.Header.Set(headPlace, "3")
	if err := b.Conn().PublishMsg(forged); err != nil {
		t.Fatal(err)
	}
	if err := b.Conn().FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	propose(t, j, proposal(2, `"b"`))
	propose(t, j, proposal(3, `"c"`))
	expect(t, j, `"b"`, `"c"`)
}

// TestOtherJournal: a gateway notices that the journal was made anew, or lost its end, while it runs.
func TestOtherJournal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		damage func(t *testing.T, b *bus.Bus)
		want   error
	}{
		"deleted": {func(t *testing.T, b *bus.Bus) { remove(t, b) }, ErrOther},
		"made anew": {func(t *testing.T, b *bus.Bus) {
			remove(t, b)
			if _, _, err := Create(bounded(t), b, CreateOptions{Replicas: 1, Bytes: 1 << 30}); err != nil {
				t.Fatal(err)
			}
		}, ErrOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, birth := made(t)
			fatal := make(chan error, 1)
			j := opened(t, b, 1, Options{Birth: birth, Fatal: func(err error) { fatal <- err }})
			propose(t, j, proposal(1, `"a"`))
			expect(t, j, `"a"`)
			test.damage(t, b)
			select {
			case err := <-fatal:
				if !errors.Is(err, test.want) || j.Health() == nil {
					t.Errorf("the gateway ends with %v, and its health is %v", err, j.Health())
				}
			case <-bounded(t).Done():
				t.Error("nothing was noticed")
			}
		})
	}
}

func remove(t *testing.T, b *bus.Bus) {
	t.Helper()
	if _, err := b.Conn().RequestWithContext(bounded(t), "$JS.API.STREAM.DELETE."+stream(b), nil); err != nil {
		t.Fatal(err)
	}
}

// TestShorterJournal: a journal that ends before what is applied here was put back to an older copy.
func TestShorterJournal(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	fatal := make(chan error, 1)
	opened(t, b, 100, Options{Birth: birth, Fatal: func(err error) { fatal <- err }})
	select {
	case err := <-fatal:
		if !errors.Is(err, ErrShorter) {
			t.Errorf("the gateway ends with %v", err)
		}
	case <-bounded(t).Done():
		t.Error("nothing was noticed")
	}
}

// TestAwayForTooLong: a gateway whose next message is not kept any more ends, and says what to do.
func TestAwayForTooLong(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	writer := opened(t, b, 1, Options{Birth: birth})
	for n := uint64(1); n <= 10; n++ {
		propose(t, writer, proposal(n, `"x"`))
	}
	if _, err := b.Conn().RequestWithContext(bounded(t), "$JS.API.STREAM.PURGE."+stream(b), []byte(`{"seq":6}`)); err != nil {
		t.Fatal(err)
	}
	fatal := make(chan error, 1)
	opened(t, b, 1, Options{Birth: birth, Fatal: func(err error) { fatal <- err }})
	select {
	case err := <-fatal:
		var old *TooOldError
		if !errors.As(err, &old) || old.Next != 2 || old.First != 6 {
			t.Errorf("the gateway ends with %v", err)
		}
	case <-bounded(t).Done():
		t.Error("nothing was noticed")
	}
}

// TestStale: a message that was sent long before it was stored is a repeat by a stranger.
func TestStale(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	old := opened(t, b, 1, Options{Birth: birth, Now: func() time.Time { return time.Now().Add(-2 * time.Hour) }})
	propose(t, old, proposal(1, `"old"`))
	propose(t, old, &eventlog.Proposal{Number: 2, Requests: proposal(2, `"also"`).Requests})
	expect(t, old, "", "")
}

// TestNewerFormat: a gateway stops at a message of a format that it does not know, says so, and applies nothing behind it.
func TestNewerFormat(t *testing.T) {
	t.Parallel()
	b, birth := made(t)
	j := opened(t, b, 1, Options{Birth: birth})
	propose(t, j, proposal(1, `"known"`))
	newer := &nats.Msg{Subject: b.Subject(subjectIn), Data: b.Seal(subjectIn, []byte{Newest + 1, 1, 2, 3})}
	if _, err := b.Conn().RequestMsgWithContext(bounded(t), newer); err != nil {
		t.Fatal(err)
	}
	propose(t, j, proposal(2, `"behind it"`))
	expect(t, j, `"known"`)
	clustertest.Until(t, func() error {
		if err := j.Health(); !errors.Is(err, errVersion) {
			return fmt.Errorf("the health is %w", err)
		}
		return nil
	})
	after := make(chan int)
	go func() { after <- len(j.Next()) }() // ends with the journal
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if n := <-after; n != 0 {
		t.Errorf("%d requests behind it came out", n)
	}
}
