package driftdb

import (
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"sluice/handlers/httperr"
)

// maker is who makes a room: a credential or, where there is none, the network of an address.
type maker struct {
	owner     string
	anonymous bool
}

// makers bound how fast rooms are made, and how many each maker has. What they know is lost when the process ends: the
// rates begin anew, and the rooms that are there then count for MAX_ROOMS only.
type makers struct {
	limits        Limits
	mostAnonymous int // rooms of an address
	mostKey       int // rooms of a credential

	mu      sync.Mutex
	all     *rate.Limiter // of all who have no credential
	by      map[string]*rate.Limiter
	pruneAt int // the size of by at which those are forgotten that have all their tokens
	rooms   map[string]string
	held    map[string]int // rooms by maker, with those being made
}

// leastShare is how many rooms a maker may have, however few MAX_ROOMS is.
const leastShare = 100

// leastPrune is how many rates are known before any is forgotten.
const leastPrune = 4096

func newMakers(l Limits) *makers {
	return &makers{
		limits: l, mostAnonymous: max(l.Rooms/10, leastShare), mostKey: max(l.Rooms/10*9, leastShare),
		all: perMinute(l.CreateRateAll), by: map[string]*rate.Limiter{}, pruneAt: leastPrune,
		rooms: map[string]string{}, held: map[string]int{},
	}
}

// perMinute is a rate of which a minute's worth may come at once.
func perMinute(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(float64(n)/60), n) }

// admit lets a maker make one more room, which is to be added or refused afterwards. Whoever is turned away is charged
// nothing.
func (m *makers) admit(who maker, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.rateOf(who, now)
	most := m.mostKey
	if who.anonymous {
		most = m.mostAnonymous
	}
	switch {
	case m.held[who.owner] >= most:
		return tooManyOf(who, most)
	case until(own, now) > 0:
		return tooFast(who, m.limits).After(until(own, now))
	case who.anonymous && until(m.all, now) > 0:
		return httperr.New(http.StatusTooManyRequests, httperr.RateLimited,
			"all clients without a credential make more than %d rooms a minute (ROOM_CREATE_RATE_ALL); try again later, or send an API key or a token", m.limits.CreateRateAll).After(until(m.all, now))
	}
	own.AllowN(now, 1)
	if who.anonymous {
		m.all.AllowN(now, 1)
	}
	m.held[who.owner]++
	return nil
}

func tooFast(who maker, l Limits) *httperr.Error {
	if who.anonymous {
		return httperr.New(http.StatusTooManyRequests, httperr.RateLimited,
			"more than %d rooms a minute from this address (ROOM_CREATE_RATE); slow down, and behind a proxy set TRUSTED_PROXIES", l.CreateRate)
	}
	return httperr.New(http.StatusTooManyRequests, httperr.RateLimited, "more than %d rooms a minute with this credential (ROOM_CREATE_RATE_KEY); slow down", l.CreateRateKey)
}

func tooManyOf(who maker, most int) *httperr.Error {
	of := "credential"
	if who.anonymous {
		of = "address"
	}
	return httperr.New(http.StatusTooManyRequests, httperr.TooManyRoomsOf,
		"this %s has %d rooms, as many as one may have of MAX_ROOMS; try again when some of them have ended, or raise MAX_ROOMS", of, most).After(time.Minute)
}

// until is how long it takes until a rate has a token.
func until(l *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(1, time.Duration(math.Ceil(missing/float64(l.Limit())*float64(time.Second))))
}

// rateOf is the rate of a maker. Those that have all their tokens are forgotten now and then. Of addresses as many are
// left as have made a room within a minute, which ROOM_CREATE_RATE_ALL bounds; of credentials as many as the operator
// has given out.
func (m *makers) rateOf(who maker, now time.Time) *rate.Limiter {
	if l := m.by[who.owner]; l != nil {
		return l
	}
	if len(m.by) >= m.pruneAt {
		for owner, l := range m.by {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(m.by, owner)
			}
		}
		m.pruneAt = max(leastPrune, 2*len(m.by))
	}
	n := m.limits.CreateRateKey
	if who.anonymous {
		n = m.limits.CreateRate
	}
	l := perMinute(n)
	m.by[who.owner] = l
	return l
}

// add notes the room that an admitted maker has made.
func (m *makers) add(who maker, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, ok := m.rooms[id]; ok { // it was dropped, which is not noted yet
		m.less(before)
	}
	m.rooms[id] = who.owner
}

// refuse takes back that a maker was admitted: no room was made.
func (m *makers) refuse(who maker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.less(who.owner)
}

// ended notes that a room is gone.
func (m *makers) ended(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner, ok := m.rooms[id]; ok {
		delete(m.rooms, id)
		m.less(owner)
	}
}

func (m *makers) less(owner string) {
	if m.held[owner]--; m.held[owner] <= 0 {
		delete(m.held, owner)
	}
}
