package driftdb

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"sluice/broker"
	"sluice/store/eventlog"
	"sluice/store/panics"
	"sluice/store/pause"
	"sluice/store/rooms"
	"sluice/store/share"
)

// An answer stays in memory until its client has read it, and a client may be slow or read nothing at all. So large answers
// share one budget. An answer waits for a share of the budget. Addresses take turns, and one address can have at most half.
//
// While an answer waits, cutStalled cuts off clients that have a share and are too slow. A client must take each piece of its
// answer within stall, and the whole answer within maxAge. So every wait ends.

const (
	// smallAnswer is how many bytes may be read without a share of the budget: as much as a connection may have to write anyway.
	smallAnswer = 64 << 10
	// unreadRooms is the default of the budget, and its maximum, as a number of whole rooms.
	unreadRooms = 32
	// piece is the most bytes in one write. A client counts as reading while no piece takes longer than stall.
	piece = 16 << 10
	stall = 5 * time.Second
	// maxAge is how long a client may take for a whole answer while others wait.
	maxAge = time.Minute
)

// unread is the budget, in bytes.
type unread struct {
	share   int64        // taken for a read; twice a room, since half the memory of a room of tiny entries is overhead
	budget  *share.Slots // a slot is a byte
	waiting atomic.Int64
	mu      sync.Mutex
	loads   map[*load]struct{} // those with a share
}

// newUnread makes a budget of most bytes; 0 means the default. One read of the largest room always fits.
func newUnread(roomBytes, most int64) *unread {
	if roomBytes <= 0 || roomBytes > math.MaxInt64/unreadRooms/2 {
		roomBytes = math.MaxInt64 / unreadRooms / 2
	}
	if most == 0 {
		most = unreadRooms * roomBytes
	}
	total := max(4*roomBytes, min(most, unreadRooms*roomBytes)) // an address has half of it, and a read a share
	return &unread{share: 2 * roomBytes, budget: share.NewUnits(total, total/2, math.MaxInt), loads: map[*load]struct{}{}}
}

// load is one client's share of the budget.
type load struct {
	of     *unread
	cut    func()       // ends the client's connection; safe from any goroutine, and to call again
	slot   *share.Slot  // taken from the budget; nil: nothing taken
	weight int64        // bytes of the slot
	taken  time.Time    // when the slot was taken; guarded by of.mu
	begun  atomic.Int64 // start of the current write of a piece, in nanoseconds after origin; 0: no write
}

// charged reports whether the load has a share.
func (l *load) charged() bool { return l.weight > 0 }

// take waits for a share.
func (l *load) take(ctx context.Context) error {
	l.of.waiting.Add(1)
	slot, err := l.of.budget.Take(ctx, l.of.share)
	l.of.waiting.Add(-1)
	if err != nil {
		return err
	}
	l.slot, l.weight = slot, l.of.share
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.taken = time.Now()
	l.of.loads[l] = struct{}{}
	return nil
}

// weigh gives back the part of the share that the entries do not need.
func (l *load) weigh(entries []eventlog.Event) {
	size := int64(1)
	for i := range entries {
		size += int64(entries[i].Size())
	}
	if size < l.weight {
		l.slot.Shrink(size)
		l.weight = size
	}
}

// reading notes that the client has a piece of its answer, and takes the next.
func (l *load) reading() { l.begun.Store(int64(time.Since(origin))) }

// done returns the share to the budget, if the load has one.
func (l *load) done() {
	if !l.charged() {
		return
	}
	l.of.mu.Lock()
	delete(l.of.loads, l)
	l.of.mu.Unlock()
	l.slot.Release()
	l.weight = 0
	l.begun.Store(0)
}

// cutStalled cuts off the clients that have a share and are too slow, but only while an answer waits.
func (u *unread) cutStalled(now time.Time) {
	if u.waiting.Load() == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for l := range u.loads {
		begun := l.begun.Load()
		if begun == 0 || int64(now.Sub(origin))-begun < int64(stall) && now.Sub(l.taken) <= maxAge {
			continue
		}
		if pause.Since(origin.Add(time.Duration(begun))) {
			l.taken = now
			l.begun.CompareAndSwap(begun, int64(now.Sub(origin)))
			continue
		}
		l.cut()
	}
}

// keep calls cutStalled at intervals, until quit closes.
func (u *unread) keep(quit <-chan struct{}, log *slog.Logger) {
	tick := time.NewTicker(stall / 4)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case now := <-tick.C:
			u.sweep(now, log)
		}
	}
}

func (u *unread) sweep(now time.Time, log *slog.Logger) {
	defer panics.Contain(log, "cutting off clients that do not read")
	u.cutStalled(now)
}

// retained reads the entries that a room retains: of one key, or of all keys if key is nil. A large answer takes a share into
// the load. The caller must call done on the load after it has written the answer.
func (h *Handler) retained(ctx context.Context, id string, key *string, l *load) (entries []eventlog.Event, position uint64, err error) {
	if !l.charged() {
		entries, position, err = h.o.Broker.Retained(ctx, rooms.Space(id), key, smallAnswer)
		if !errors.Is(err, broker.ErrLarge) {
			return entries, position, err
		}
		if err := l.take(ctx); err != nil {
			return nil, 0, err
		}
	}
	entries, position, err = h.o.Broker.Retained(ctx, rooms.Space(id), key, math.MaxInt)
	l.weigh(entries)
	return entries, position, err
}

// retainedAfter is retained for a get. The client may have a number from another gateway that this one has not given yet;
// without that push it would get it again.
func (h *Handler) retainedAfter(ctx context.Context, id string, m *message, l *load) (entries []eventlog.Event, position uint64, err error) {
	log := h.o.Broker.Log()
	err = log.Again(ctx, func() bool {
		if m.seq == 0 {
			return true
		}
		s, there, err := log.KeyedSpace(rooms.Space(id))
		return err != nil || !there || s.Seq >= m.seq // of an error, retained tells
	})
	if err != nil {
		return nil, 0, err
	}
	return h.retained(ctx, id, &m.key, l)
}

// origin is the zero of load.begun. It has the monotonic clock, since setting the clock must not cut a client off.
var origin = time.Now()

// write writes to the client. A load with a share writes in pieces, so that cutStalled sees whether the client reads.
func (l *load) write(w io.Writer, b []byte) error {
	if !l.charged() {
		_, err := w.Write(b)
		return err
	}
	defer l.begun.Store(0)
	for len(b) > 0 {
		l.reading()
		n := min(len(b), piece)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
