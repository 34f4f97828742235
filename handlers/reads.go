package handlers

import (
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"time"
)

// reads gives a connection its read deadlines only when a read needs them. http.Server and the doors move the deadline
// eight times for each publish, and most of these deadlines are replaced before a read waits. The connection below may have
// an earlier deadline than the wanted one; a read that it ends goes on with the wanted one.
//
// reads also puts off the read by which http.Server notices, while a handler runs, that the client has gone. Most handlers
// are done before that read is worth its system call.
//
// Invariant: a read ends at the wanted deadline, never before it, also if the deadline changes meanwhile.
type reads struct {
	mu      sync.Mutex // a leaf
	want    int64      // the deadline, in nanoseconds since the start; 0: none; ended: a read must end at once
	set     int64      // the deadline that the connection below has
	reading bool       // the connection below reads
	handled bool       // a handler runs
	watch   *watch     // the read that is put off; nil: none
}

// watchAfter is how long a handler runs before the gateway begins to watch if its client goes.
const watchAfter = 50 * time.Millisecond

// watch ends the wait of a read that is put off.
type watch struct {
	timer *time.Timer
	now   chan struct{} // gets one token if the read must not wait
}

// ended stands for longAgo, with which http.Server ends a read.
const ended = math.MinInt64

var longAgo = time.Unix(1, 0)

// sinceStart converts a time to nanoseconds since the start. Only no time becomes 0.
func sinceStart(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case !t.After(longAgo):
		return ended
	}
	if d := int64(t.Sub(start)); d != 0 {
		return d
	}
	return 1
}

// earlier reports whether the deadline a is before b.
func earlier(a, b int64) bool { return a != 0 && (b == 0 || a < b) }

// setDeadline sets the deadline of the read under way and of those to come.
func (r *reads) setDeadline(below net.Conn, t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change(t)
	if r.reading && earlier(r.want, r.set) {
		return r.apply(below)
	}
	return nil
}

// setBoth is setDeadline for reads and writes, at once.
func (r *reads) setBoth(below net.Conn, t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change(t)
	r.set = r.want
	return below.SetDeadline(t)
}

// change notes a deadline. The caller holds the lock.
func (r *reads) change(t time.Time) {
	r.want = sinceStart(t)
	if r.watch != nil && r.want != 0 {
		r.watch.now <- struct{}{}
		r.watch = nil
	}
}

// apply gives the wanted deadline to the connection below. The caller holds the lock.
func (r *reads) apply(below net.Conn) error {
	var t time.Time
	switch r.want {
	case 0:
	case ended:
		t = longAgo
	default:
		t = start.Add(time.Duration(r.want))
	}
	r.set = r.want
	return below.SetReadDeadline(t)
}

// state notes whether a handler runs.
func (r *reads) state(handled bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handled = handled
}

// read reads from the connection below. Only http.Server's watch for a client that goes reads a single byte.
func (r *reads) read(below net.Conn, b []byte, watches *sync.Pool) (int, error) {
	if len(b) == 1 {
		r.putOff(watches)
	}
	for again := false; ; again = true {
		if err := r.begin(below, again); err != nil {
			return 0, err
		}
		n, err := below.Read(b)
		if over := r.end(err); over || n > 0 {
			return n, err
		}
	}
}

// begin must be called before the connection below reads. again: its deadline is over.
func (r *reads) begin(below net.Conn, again bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want == ended {
		return os.ErrDeadlineExceeded
	}
	if again || earlier(r.want, r.set) {
		if err := r.apply(below); err != nil {
			return err
		}
	}
	r.reading = true
	return nil
}

// end must be called after the connection below has read. It returns false if the read must go on: it was ended by an earlier
// deadline than the wanted one.
func (r *reads) end(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading = false
	return !errors.Is(err, os.ErrDeadlineExceeded) || r.want != 0 && sinceStart(time.Now()) >= r.want
}

// putOff waits until a read that only watches the client has to begin. It does not wait if there is a deadline, or no handler
// runs.
func (r *reads) putOff(watches *sync.Pool) {
	w, ok := watches.Get().(*watch)
	if !ok {
		w = &watch{time.NewTimer(watchAfter), make(chan struct{}, 1)}
	}
	defer watches.Put(w)
	r.mu.Lock()
	if r.want != 0 || !r.handled {
		r.mu.Unlock()
		return
	}
	r.watch = w
	r.mu.Unlock()
	w.timer.Reset(watchAfter)
	select {
	case <-w.now:
		w.timer.Stop()
	case <-w.timer.C:
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.watch == nil {
			<-w.now // change has sent it
		}
		r.watch = nil
	}
}
