package auth

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter is a publish rate. It lets the events of one second pass at once. A batch passes if anything is left, and is
// charged in full, so the limiter may go below zero.
type limiter struct {
	mu    sync.Mutex
	rate  *rate.Limiter // nil: no limit
	burst int
}

func newLimiter(perSecond float64) *limiter {
	if perSecond <= 0 {
		return &limiter{}
	}
	burst := max(1, int(math.Min(perSecond, math.MaxInt32)))
	return &limiter{rate: rate.NewLimiter(rate.Limit(perSecond), burst), burst: burst}
}

// rounding is the part of a token that may be missing because of rounding. A client that waits for the time it was given
// must pass.
const rounding = 1e-9

// left reports whether a batch would pass now. If not, it returns the time until one does.
func (l *limiter) left(now time.Time) (bool, time.Duration) {
	if l.rate == nil {
		return true, 0
	}
	missing := 1 - l.rate.TokensAt(now)
	if missing <= rounding {
		return true, 0
	}
	wait := math.Ceil(missing / float64(l.rate.Limit()) * float64(time.Second))
	return false, time.Duration(min(wait, 1<<62))
}

// charge takes n events; the limiter may go below zero.
func (l *limiter) charge(now time.Time, n int) {
	if l.rate == nil {
		return
	}
	for ; n > 0; n -= l.burst {
		l.rate.ReserveN(now, min(n, l.burst))
	}
}

// limiters has the limiters of tokens, by issuer and subject. Tokens choose these names, so the number of limiters is
// bounded: when it is reached, those that are full again are removed.
type limiters struct {
	perSecond float64
	mu        sync.Mutex
	by        map[string]*limiter
}

func newLimiters(perSecond float64) *limiters {
	return &limiters{perSecond: perSecond, by: map[string]*limiter{}}
}

const maxLimiters = 100_000

func (ls *limiters) of(scope string, now time.Time) *limiter {
	if ls.perSecond <= 0 {
		return &limiter{}
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.by[scope]; l != nil {
		return l
	}
	if len(ls.by) >= maxLimiters {
		for s, l := range ls.by {
			if l.rate.TokensAt(now) >= float64(l.burst) {
				delete(ls.by, s)
			}
		}
	}
	l := newLimiter(ls.perSecond)
	if len(ls.by) < maxLimiters {
		ls.by[scope] = l
	}
	return l
}
