//go:build linux

package clustertest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// fate is what a publisher knows of a request.
type fate int

const (
	refused fate = iota // nothing of it may be stored
	unknown             // it may be stored
	acked               // it must be stored, once
)

// told is what a publisher was told of an event.
type told struct {
	fate fate
	id   string // of who was acknowledged
}

// record is what all publishers know.
type record struct {
	mu          sync.Mutex
	events      map[string]told // by their text
	docs        map[string]told // by their ids
	pushes      map[string]told // by their values
	kept, gone  map[string]bool // keys that are valid, and that were deleted
	inc, incMay int             // increments that were acknowledged, and that may have been made
	newest      string          // the last id that anybody was given
	where       string          // the gateway that gave it

	since, last     time.Time // of the measurement, and of the last 200
	longest         time.Duration
	slowest         time.Duration
	oks, failures   int
	failed          map[string]int // by what was answered
	hops, delivered int
}

func newRecord() *record {
	return &record{events: map[string]told{}, docs: map[string]told{}, pushes: map[string]told{}, kept: map[string]bool{}, gone: map[string]bool{}, failed: map[string]int{}}
}

// measured is what publishers saw during a nemesis.
type measured struct {
	pause, slowest time.Duration // the longest time between two 200s; the slowest single request that got one
	oks, failures  int
	failed         map[string]int
}

func (m measured) String() string {
	return fmt.Sprintf("pause %.2f s, slowest publish %.2f s, %d publishes, %d failures %v", m.pause.Seconds(), m.slowest.Seconds(), m.oks, m.failures, m.failed)
}

// measure ends a measurement and begins another.
func (r *record) measure() measured {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	m := measured{max(r.longest, now.Sub(r.last)), r.slowest, r.oks, r.failures, r.failed}
	if r.oks == 0 {
		m.pause = now.Sub(r.since)
	}
	r.since, r.last, r.longest, r.slowest, r.oks, r.failures, r.failed = now, now, 0, 0, 0, 0, map[string]int{}
	return m
}

// count notes the outcome of a request that began at some time.
func (r *record) count(f fate, what string, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if f == acked {
		r.oks++
		r.longest, r.slowest, r.last = max(r.longest, now.Sub(r.last)), max(r.slowest, now.Sub(began)), now
		return
	}
	if what != "" {
		r.failures++
		r.failed[what]++
	}
}

// newID notes an id that was given.
func (r *record) newID(id, where string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest, r.where = id, where
}

// note notes what was told of one event, document or push.
func (r *record) note(of map[string]told, text string, f fate, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of[text] = told{f, id}
}

// all is how many requests were acknowledged since the measurement began.
func (r *record) all() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.oks
}

// reply is the answer to a request, or why there is none.
type reply struct {
	status int
	header http.Header
	text   string
	err    error
}

// fate returns what an answer means, and what it is called if it is a failure. Nothing listens at a gateway that was killed:
// that is no failure.
func (a reply) fate() (fate, string) {
	var op *net.OpError
	switch code := a.code(); {
	case errors.As(a.err, &op) && op.Op == "dial":
		return refused, ""
	case a.err != nil:
		return unknown, "connection broken"
	case a.status < 300:
		return acked, ""
	case a.status == http.StatusBadGateway: // by the balancer
		return unknown, "502"
	case code == "unknown_outcome":
		return unknown, code
	case a.status >= 500:
		return refused, code
	}
	return refused, "" // a condition
}

// code is the code of an error.
func (a reply) code() string {
	var body struct{ Code string }
	if json.Unmarshal([]byte(a.text), &body) != nil || body.Code == "" {
		return fmt.Sprint(a.status)
	}
	return body.Code
}
