package driftdb

import (
	"context"
	"crypto/rand"
	"errors"
	"hash/maphash"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker/eventlog"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
)

// create answers with a new room, whose id is its secret: 130 random bits.
func (h *Handler) create(c echo.Context) error {
	if err := h.mayCreate(c.Request()); err != nil {
		return err
	}
	if wait := h.makers.take(c.RealIP(), time.Now()); wait > 0 {
		return httperr.New(http.StatusTooManyRequests, httperr.RateLimited,
			"more than %d rooms a minute from this address (ROOM_CREATE_RATE); slow down, and behind a proxy set TRUSTED_PROXIES", h.o.Limits.CreateRate).After(wait)
	}
	id, err := h.make(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, h.object(c, id))
}

// make makes a room, if there may be one more.
func (h *Handler) make(ctx context.Context) (id string, err error) {
	if !h.o.Traffic.EnterPublish() {
		return "", traffic.ErrDraining()
	}
	defer h.o.Traffic.LeavePublish()
	h.made.mu.RLock()
	defer h.made.mu.RUnlock()
	if !h.made.take() {
		return "", httperr.New(http.StatusServiceUnavailable, httperr.TooManyRooms,
			"the gateway has as many rooms as MAX_ROOMS allows; try again when some have been silent for ROOM_RETENTION, or raise it").After(time.Minute)
	}
	id = rand.Text()
	if err := h.o.Broker.Log().Create(context.WithoutCancel(ctx), space(id)); err != nil {
		if !errors.Is(err, eventlog.ErrUnknown) {
			h.made.n.Add(-1)
		}
		return "", unavailable(err)
	}
	return id, nil
}

// mayCreate says whether a request may make rooms.
func (h *Handler) mayCreate(r *http.Request) error {
	switch h.o.Create {
	case Anybody:
		return nil
	case KeysOnly:
		who, bad := h.o.Auth.Authenticate(auth.FromRequest(r.Header, r.URL.Query()))
		if bad != nil {
			return httperr.New(bad.Status, bad.Code, "%s", bad.Message)
		}
		if !who.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
			return httperr.New(http.StatusForbidden, httperr.OriginNotAllowed, "this key may not be used from this Origin; add it to the key's origins")
		}
		return nil
	}
	return httperr.New(http.StatusForbidden, httperr.Forbidden, "rooms are off here: set ROOM_CREATE=open, or key to make them with an API key")
}

// census is how many rooms there are: those of the last survey, and those made since. So one that ended, or whose making had
// an unknown outcome, counts until the next, at most a minute.
type census struct {
	most int64
	n    atomic.Int64
	mu   sync.RWMutex // held for reading while a room is made: none is half made while they are counted
}

// take counts one in, unless there are as many as may be.
func (c *census) take() bool {
	if c.n.Add(1) <= c.most {
		return true
	}
	c.n.Add(-1)
	return false
}

// Rooms is how many rooms there are.
func (h *Handler) Rooms() int { return int(h.made.n.Load()) }

// survey counts the rooms, and lists those whose last message is older than a position.
func (h *Handler) survey(before uint64) (old []string, err error) {
	h.made.mu.Lock()
	defer h.made.mu.Unlock()
	n := int64(0)
	err = h.o.Broker.Log().KeyedSpaces(func(s eventlog.KeyedSpace) error {
		n++
		if s.Last < before {
			old = append(old, s.Space[len(space("")):])
		}
		return nil
	})
	if err == nil {
		h.made.n.Store(n)
	}
	return old, err
}

// makers bound how fast rooms are made for one client address. The table has one size, whoever comes: an address shares
// its place with those of the same hash, whose seed is drawn at the start.
type makers struct {
	perMinute int
	seed      maphash.Seed
	mu        *sync.Mutex
	by        []*rate.Limiter
}

// makersMost is 128 KiB of places, and 1.3 MiB once all are taken.
const makersMost = 1 << 14

func newMakers(perMinute int) makers {
	return makers{perMinute: perMinute, seed: maphash.MakeSeed(), mu: new(sync.Mutex), by: make([]*rate.Limiter, makersMost)}
}

// take charges an address for a room, or says how long it has to wait for one. A minute's worth may come at once.
func (m *makers) take(address string, now time.Time) (wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	place := &m.by[m.place(address)]
	if *place == nil {
		*place = rate.NewLimiter(rate.Limit(float64(m.perMinute)/60), m.perMinute)
	}
	if (*place).AllowN(now, 1) {
		return 0
	}
	missing := math.Max(0, 1-(*place).TokensAt(now))
	return max(1, time.Duration(missing/float64((*place).Limit())*float64(time.Second)))
}

func (m *makers) place(address string) uint64 {
	return maphash.String(m.seed, peer.Network(address)) % makersMost
}
