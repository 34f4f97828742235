package journal

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/store/eventlog"
	"sluice/store/panics"
)

const (
	silence  = 500 * time.Millisecond // after which a direct read looks whether something was missed
	stale    = time.Hour              // a message that was sent that long before it got its place is left out: it is a repeat by a stranger
	ahead    = 64                     // decoded messages that wait to be applied
	together = 1024                   // messages of one Next

	// nextBytes is how much one Next returns, about. It is one commit, and pebble makes a sorted table of its own from a commit
	// of half a memtable. With 4 MiB, catching up took 6.8 µs of CPU an event, with 1 MiB 4.3, with 512 KiB 4.9.
	nextBytes = 1 << 20
)

// decoded is a message that waits to be applied.
type decoded struct {
	entries []eventlog.Entry
	size    int
}

// follow reads the journal from a place on, until Close. What JetStream sends on arrives at once; what is missing there is
// read directly, from any replica. That needs no consumer, which would depend on the leader of all of JetStream.
func (j *Journal) follow() {
	defer panics.Contain(j.log, "following the journal")
	defer close(j.out)
	for j.life.Err() == nil {
		err := j.followOnce()
		if j.life.Err() != nil {
			return
		}
		if errors.Is(err, errVersion) || errors.Is(err, errDecode) {
			// To go on without the message would make this gateway's state differ from that of all others.
			j.stop(err)
			<-j.life.Done()
			return
		}
		j.log.Warn("following the journal", "cause", err)
		j.pause(time.Second)
	}
}

func (j *Journal) followOnce() error {
	defer panics.Contain(j.log, "following the journal")
	live, err := j.bus.Conn().SubscribeSync(j.bus.Subject(subjectOut))
	if err != nil {
		return err
	}
	defer func() { _ = live.Unsubscribe() }() // the connection may be gone
	// More than that is read directly.
	if err := live.SetPendingLimits(8192, 64<<20); err != nil {
		return err
	}
	if err := j.readOn(); err != nil { // what was stored before
		return err
	}
	for {
		m, err := live.NextMsg(silence)
		if j.life.Err() != nil {
			return j.life.Err()
		}
		switch {
		case errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrSlowConsumer):
			err = j.readOn()
		case err == nil:
			err = j.take(m)
		}
		if err != nil {
			return err
		}
	}
}

// take takes a message that JetStream has sent on. If it is not believed, or if one before it is missing, it is read directly.
func (j *Journal) take(m *nats.Msg) error {
	s, err := storedOf(m)
	if err != nil || s.place < j.next {
		return nil
	}
	if m, size := j.believed(s); m != nil {
		j.parts = assembly{}
		j.pass(s, m.entries(s), size)
		return nil
	}
	for range lateTries {
		if err := j.readOn(); err != nil || j.next > s.place {
			return err
		}
		j.pause(lateEvery) // the replica that was asked does not have it yet
	}
	return nil
}

// The tries to read a message that JetStream has sent on: replicas have it some milliseconds later.
const (
	lateTries = 5
	lateEvery = 10 * time.Millisecond
)

// believed returns the message that JetStream has sent on, if it is the next one and cannot be a stranger's. Anybody in the
// account may publish on that subject, also an old message with another place. So a message is not believed that has no seal
// (a part has none of its own), that was there before, or that was not sent just now.
func (j *Journal) believed(s stored) (m *message, size int) {
	if s.place != j.next || s.head.Get(headPart) != "" {
		return nil, 0
	}
	body, err := j.bus.Unseal(subjectIn, s.data)
	if err != nil {
		return nil, 0
	}
	m, err = decode(body)
	if err != nil || m.Number <= j.heard[m.Origin] || m.stale(s.stamp) != nil || j.now().Sub(time.UnixMicro(m.Sent)).Abs() > duplicates {
		return nil, 0
	}
	return m, len(body)
}

// readOn reads directly what follows, as far as it goes.
func (j *Journal) readOn() error {
	for j.life.Err() == nil {
		before := j.next
		err := read(j.life, j.bus, j.next, func(s stored) error {
			if s.place != j.next {
				return j.hole(s.place)
			}
			return j.add(s)
		})
		if err != nil && !noAnswer(err) {
			return err
		}
		if j.next == before {
			return nil
		}
	}
	return nil
}

// hole is called when the next message is not there but a later one is: the journal does not keep it any more.
func (j *Journal) hole(place uint64) error {
	j.fail(&TooOldError{Next: j.next, First: place})
	<-j.life.Done()
	return j.life.Err()
}

// add decodes a message of the stream and passes it on.
func (j *Journal) add(s stored) error {
	body, err := j.parts.add(s)
	if body == nil && err == nil {
		j.next = s.place + 1
		return nil
	}
	var m *message
	if err == nil && len(body) > 0 {
		if body, err = j.bus.Unseal(subjectIn, body); err == nil {
			if m, err = decode(body); err != nil {
				return err
			}
			err = m.stale(s.stamp)
		}
	}
	if err != nil {
		j.metrics.Refused.Add(1)
		j.log.Warn("a message of the journal is left out", "place", s.place, "cause", err)
	}
	if m == nil || err != nil {
		j.pass(s, []eventlog.Entry{{Place: s.place}}, len(body))
	} else {
		j.pass(s, m.entries(s), len(body))
	}
	return nil
}

// heardMost bounds the origins of which the last number is known here.
const heardMost = 1024

// pass passes a message on to Next.
func (j *Journal) pass(s stored, entries []eventlog.Entry, size int) {
	if len(j.heard) >= heardMost {
		clear(j.heard)
	}
	if e := &entries[0]; e.Origin != 0 {
		j.heard[e.Origin] = max(j.heard[e.Origin], e.Number)
	}
	j.next = s.place + 1
	j.metrics.Entries.Add(1)
	j.metrics.Requests.Add(uint64(len(entries)))
	select {
	case j.out <- decoded{entries, size}:
	case <-j.life.Done():
	}
}

// errStale is the reason to leave out a message.
var errStale = errors.New("it was sent more than an hour before it was stored: it is a repeat, or the clock of its gateway is wrong")

func (m *message) stale(stamp time.Time) error {
	if stamp.UnixMicro()-m.Sent > stale.Microseconds() {
		return errStale
	}
	return nil
}

// entries are the requests of a message as the log applies them. Their time is the earlier one of the server's and the
// gateway's, so a single clock that is ahead does not move ids into the future.
func (m *message) entries(s stored) []eventlog.Entry {
	at := max(0, min(s.stamp.UnixMicro(), m.Sent))
	entries := make([]eventlog.Entry, len(m.Requests))
	for i, r := range m.Requests {
		entries[i] = eventlog.Entry{Request: r, At: uint64(at), Wall: at, Place: s.place, Origin: m.Origin, Number: m.Number, Claim: m.Claim}
	}
	return entries
}

// Next returns what follows, as much as is there.
func (j *Journal) Next() []eventlog.Entry {
	j.applied.Store(j.given) // who asks for more has applied the last ones
	clear(j.entries)
	j.entries = j.entries[:0]
	d, ok := <-j.out
	for size, n := 0, 0; ok; n++ {
		j.entries = append(j.entries, d.entries...)
		j.given = d.entries[0].Place
		if size += d.size; n == together || size >= nextBytes {
			break
		}
		select {
		case d, ok = <-j.out:
		default:
			ok = false
		}
	}
	return j.entries
}

// pause waits, or returns at Close.
func (j *Journal) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-j.life.Done():
	}
}

var _ eventlog.Shared = (*Journal)(nil)

// End returns the place of the newest message.
func (j *Journal) End(ctx context.Context) (uint64, error) {
	s, err := LookUntil(ctx, j.bus)
	if err != nil {
		return 0, err
	}
	j.metrics.End.Store(s.Last)
	return s.Last, nil
}
