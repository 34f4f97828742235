package auth

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter is a publish rate: one second's worth at once, and a batch passes if anything is left and
// is charged in full.
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

// nearly is how much of a token may be missing: as much as rounding takes. Who waits as long as told must pass.
const nearly = 1e-9

// left reports whether a batch would pass now, else how long until it does.
func (l *limiter) left(now time.Time) (bool, time.Duration) {
	if l.rate == nil {
		return true, 0
	}
	missing := 1 - l.rate.TokensAt(now)
	if missing <= nearly {
		return true, 0
	}
	wait := math.Ceil(missing / float64(l.rate.Limit()) * float64(time.Second))
	return false, time.Duration(min(wait, 1<<62))
}

// charge takes n, which may leave less than nothing.
func (l *limiter) charge(now time.Time, n int) {
	if l.rate == nil {
		return
	}
	for ; n > 0; n -= l.burst {
		l.rate.ReserveN(now, min(n, l.burst))
	}
}

// limiters are those of tokens, by issuer and subject. A token that was signed for us names them, so
// their number has a bound of its own: when it is reached, those that are full again go.
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
