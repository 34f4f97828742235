package rooms

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Maker is who makes a room: a credential, or without one the network of an address.
type Maker struct {
	Owner     string
	Anonymous bool
}

// makers bounds how fast rooms are made, and how many each maker has. It is lost when the process ends. Then the rates
// start again, and the existing rooms count only against MAX_ROOMS.
type makers struct {
	limits       Limits
	maxAnonymous int // rooms of an address
	maxPerKey    int // rooms of a credential

	mu      sync.Mutex
	all     *rate.Limiter // of all makers without a credential
	by      map[string]*rate.Limiter
	pruneAt int // the size of by at which full limiters are forgotten
	rooms   map[string]string
	count   map[string]int // rooms by maker, including those being made
}

// minShare is the number of rooms that a maker may always have, even if MAX_ROOMS is small.
const minShare = 100

// minPrune is the number of limiters before any is forgotten.
const minPrune = 4096

func newMakers(l Limits) *makers {
	return &makers{
		limits: l, maxAnonymous: max(l.Rooms/10, minShare), maxPerKey: max(l.Rooms/10*9, minShare),
		all: perMinute(l.CreateRateAll), by: map[string]*rate.Limiter{}, pruneAt: minPrune,
		rooms: map[string]string{}, count: map[string]int{},
	}
}

// perMinute is a rate of n a minute, of which all n may come at once.
func perMinute(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(float64(n)/60), n) }

// reservation counts a room that is being made for its maker.
type reservation struct {
	owner string
	open  bool // it counts
}

// admit lets a maker make one more room. The caller must call release in the end. A maker that is refused is charged
// nothing.
func (m *makers) admit(maker Maker, now time.Time) (*reservation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.rateOf(maker, now)
	most := m.maxPerKey
	if maker.Anonymous {
		most = m.maxAnonymous
	}
	switch {
	case m.count[maker.Owner] >= most:
		return nil, tooManyOf(maker, most)
	case until(own, now) > 0:
		return nil, tooFast(maker, m.limits, until(own, now))
	case maker.Anonymous && until(m.all, now) > 0:
		return nil, refuse(TooFast, until(m.all, now),
			"all clients without a credential make more than %d rooms a minute (ROOM_CREATE_RATE_ALL); try again later, or send an API key or a token", m.limits.CreateRateAll)
	}
	own.AllowN(now, 1)
	if maker.Anonymous {
		m.all.AllowN(now, 1)
	}
	m.count[maker.Owner]++
	return &reservation{maker.Owner, true}, nil
}

func tooFast(maker Maker, l Limits, wait time.Duration) *Refusal {
	if maker.Anonymous {
		return refuse(TooFast, wait,
			"more than %d rooms a minute from this address (ROOM_CREATE_RATE); slow down, and behind a proxy set TRUSTED_PROXIES", l.CreateRate)
	}
	return refuse(TooFast, wait, "more than %d rooms a minute with this credential (ROOM_CREATE_RATE_KEY); slow down", l.CreateRateKey)
}

func tooManyOf(maker Maker, most int) *Refusal {
	of := "credential"
	if maker.Anonymous {
		of = "address"
	}
	return refuse(TooManyOwn, time.Minute,
		"this %s has %d rooms, as many as MAX_ROOMS allows for one; try again when some of them have ended, or raise MAX_ROOMS", of, most)
}

// until is the time until a rate has a token.
func until(l *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(1, time.Duration(math.Ceil(missing/float64(l.Limit())*float64(time.Second))))
}

// rateOf is the rate of a maker. From time to time the full limiters are forgotten. What is left is bounded: for
// addresses by ROOM_CREATE_RATE_ALL, as they have made a room within a minute, for credentials by how many the operator
// has issued.
func (m *makers) rateOf(maker Maker, now time.Time) *rate.Limiter {
	if l := m.by[maker.Owner]; l != nil {
		return l
	}
	if len(m.by) >= m.pruneAt {
		for owner, l := range m.by {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(m.by, owner)
			}
		}
		m.pruneAt = max(minPrune, 2*len(m.by))
	}
	n := m.limits.CreateRateKey
	if maker.Anonymous {
		n = m.limits.CreateRate
	}
	l := perMinute(n)
	m.by[maker.Owner] = l
	return l
}

// add notes that a room was made: it takes the place of its reservation. It may be made after the release, if nobody has
// waited for it.
func (m *makers) add(r *reservation, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !r.open {
		m.count[r.owner]++
	}
	r.open = false
	m.rooms[id] = r.owner
}

// release ends a reservation. If the room was made, that counts instead.
func (m *makers) release(r *reservation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.open {
		r.open = false
		m.decrement(r.owner)
	}
}

// ended notes that a room is gone.
func (m *makers) ended(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner, ok := m.rooms[id]; ok {
		delete(m.rooms, id)
		m.decrement(owner)
	}
}

func (m *makers) decrement(owner string) {
	if m.count[owner]--; m.count[owner] <= 0 {
		delete(m.count, owner)
	}
}
