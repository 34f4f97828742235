package backend

import (
	"container/list"
	"errors"
	"math/rand/v2"
	"time"

	"sluice/auth/grant"
	"sluice/store/panics"
)

// Answer is what the application granted. All requests and streams with the same question share it, and nothing changes it.
type Answer struct {
	Grant
	Asked time.Time   // when the question was asked
	Life  *grant.Life // shared with the answers before and behind it that grant as much: it ends when a stream must
	Made  any         // of Options.Make
	of    *entry
}

// entry is what is remembered of a question: an answer, or why there is none. Backend.mu guards what changes.
type entry struct {
	b    *Backend
	key  Key
	sent *kept
	life *grant.Life

	answer   *Answer   // nil: there was none
	until    time.Time // the end of the answer
	err      error     // a refusal, or trouble
	errUntil time.Time
	streams  int
	failures int  // since the last answer
	gone     bool // another entry is in its place, or none
	timer    *time.Timer
	spot     *list.Element // in Backend.idle
	bytes    int64
}

// good reports whether the answer counts now.
func (e *entry) good(now time.Time) bool {
	return e.answer != nil && now.Before(e.until) && e.life.Ended() == ""
}

// Over reports whether the answer counts no more for a request that was let in earlier. While streams are open it counts as
// long as they do.
func (a *Answer) Over(now time.Time) bool {
	b := a.of.b
	b.mu.Lock()
	defer b.mu.Unlock()
	return a.of.streams == 0 && !now.Before(a.of.until)
}

// Forget removes an answer, so that the next request asks anew.
func (a *Answer) Forget() {
	b := a.of.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(a.of)
}

// Hold must be called when a stream begins, and Release when it ends. Between the two, the answer is asked for again
// before it ends.
func (a *Answer) Hold() {
	e := a.of
	if e.hold() { // it was dropped since the request was let in: the client comes back, and gets the answer of now
		e.life.End(grant.Changed)
	}
}

func (e *entry) hold() (gone bool) {
	b := e.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.streams++; e.gone || e.streams > 1 {
		return e.gone
	}
	b.unlist(e)
	e.wakeBeforeEnd()
	return false
}

// Release ends what Hold began.
func (a *Answer) Release() {
	e := a.of
	b := e.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.streams--; e.gone || e.streams > 0 {
		return
	}
	e.stopTimer()
	e.spot = b.idle.PushFront(e)
	b.evict(0)
}

// wakeBeforeEnd sets the timer to a random moment before the answer ends. So entries that came together are not asked for
// together.
func (e *entry) wakeBeforeEnd() {
	part := 0.7 + 0.2*rand.Float64()
	e.wake(time.Until(e.answer.Asked.Add(time.Duration(part * float64(e.answer.TTL)))))
}

// wakeLater sets the timer after a failure: later after each, but not after the end of the grace.
func (e *entry) wakeLater() {
	wait := min(maxBackoff, minBackoff<<min(e.failures, 10))
	e.failures++
	wait = wait/2 + rand.N(wait/2)
	e.wake(min(wait, time.Until(e.end())))
}

// end is when the streams end if there is no answer.
func (e *entry) end() time.Time { return e.until.Add(e.b.o.Grace) }

func (e *entry) wake(in time.Duration) {
	if e.b.closed {
		return
	}
	if e.timer == nil {
		e.timer = time.AfterFunc(in, e.refresh)
		return
	}
	e.timer.Reset(in)
}

func (e *entry) stopTimer() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

// refresh asks for the answer again, for the streams, or ends them if the grace is over.
func (e *entry) refresh() {
	defer panics.Contain(e.b.o.Logger, "asking for an answer again")
	if e.due(time.Now()) {
		e.life.End(grant.Expired)
	}
}

// due begins a call, unless one runs, and reports whether the grace is over.
func (e *entry) due(now time.Time) (over bool) {
	b := e.b
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed || e.gone || e.streams == 0:
		return false
	case !now.Before(e.end()):
		b.drop(e)
		return true
	case b.calls[e.key] == nil && b.start(e.key, e.sent, nil) == nil:
		e.wakeLater()
		return false
	}
	e.wake(time.Until(e.end())) // the result of the call sets it anew
	return false
}

// apply remembers the result of a call. If the entry before it is over, it returns the entry, and why. The caller holds mu.
func (b *Backend) apply(c *call, now time.Time) (over *entry, why grant.End) {
	e := b.entries[c.key]
	had := e != nil && e.answer != nil
	switch {
	case c.err == nil && had && e.streams > 0 && e.answer.within(&c.grant) && e.life.Ended() == "":
		b.extend(e, c)
		return nil, ""
	case c.err == nil:
		if had && !e.answer.within(&c.grant) {
			why = grant.Changed
		}
		fresh := b.put(c)
		fresh.life, fresh.until = grant.NewLife(), c.asked.Add(c.grant.TTL)
		b.setAnswer(fresh, c)
		b.evict(0)
		return e, why
	case errors.As(c.err, new(*Limited)):
		if e != nil && e.streams > 0 {
			e.wakeLater()
		}
		return nil, ""
	case errors.As(c.err, new(*Refused)):
		fresh := b.put(c)
		fresh.err, fresh.errUntil = c.err, now.Add(refusedFor)
		b.evict(0)
		if had {
			return e, grant.Revoked
		}
		return nil, ""
	}
	if e == nil {
		e = b.put(c)
		b.evict(0)
	}
	e.err, e.errUntil = c.err, now.Add(troubledFor)
	if e.streams == 0 {
		return nil, ""
	}
	if !now.Before(e.end()) {
		b.drop(e)
		return e, grant.Expired
	}
	e.wakeLater()
	return nil, ""
}

// extend gives an entry with streams an answer that grants as much or more. They go on.
func (b *Backend) extend(e *entry, c *call) {
	e.until, e.err, e.failures = c.asked.Add(c.grant.TTL), nil, 0
	b.setAnswer(e, c)
	e.wakeBeforeEnd()
}

// setAnswer makes the answer of a call that of an entry.
func (b *Backend) setAnswer(e *entry, c *call) {
	c.answer = &Answer{Grant: c.grant, Asked: c.asked, Life: e.life, of: e}
	c.answer.Made = b.o.Make(c.answer)
	e.answer = c.answer
	b.bytes -= e.bytes
	e.bytes = entryBytes + e.sent.bytes + e.answer.size()
	b.bytes += e.bytes
}

// put puts a new entry in the place of the one before.
func (b *Backend) put(c *call) *entry {
	if old := b.entries[c.key]; old != nil {
		b.drop(old)
	}
	b.purge(time.Now())
	e := &entry{b: b, key: c.key, sent: c.sent, bytes: entryBytes + c.sent.bytes}
	b.entries[e.key] = e
	b.bytes += e.bytes
	e.spot = b.idle.PushFront(e)
	return e
}

// drop removes an entry. Its streams go on until its life ends.
func (b *Backend) drop(e *entry) {
	if e.gone {
		return
	}
	e.gone = true
	e.stopTimer()
	b.unlist(e)
	delete(b.entries, e.key)
	b.bytes -= e.bytes
}

// used notes that an entry was used, so that others are dropped first.
func (b *Backend) used(e *entry) {
	if e.spot != nil {
		b.idle.MoveToFront(e.spot)
	}
}

func (b *Backend) unlist(e *entry) {
	if e.spot != nil {
		b.idle.Remove(e.spot)
		e.spot = nil
	}
}

// evict drops entries that no stream holds while there are too many, or too few bytes are left, those used longest ago
// first. It reports whether room bytes are left.
func (b *Backend) evict(room int64) bool {
	for b.idle.Len() > maxIdle || b.bytes+room > b.o.Memory && b.idle.Len() > 0 {
		b.drop(b.idle.Back().Value.(*entry))
	}
	return b.bytes+room <= b.o.Memory
}

// purge drops the entries used longest ago if they count no more: what was sent should not stay in memory without need. It
// looks at two, so that it gets ahead of put.
func (b *Backend) purge(now time.Time) {
	for range 2 {
		last := b.idle.Back()
		if last == nil {
			return
		}
		if e := last.Value.(*entry); !e.good(now) && !now.Before(e.errUntil) {
			b.drop(e)
		}
	}
}
