package traffic

import (
	"net/http"
	"sync"
	"time"

	"sluice/handlers/httperr"
)

// limits counts connections, in all and by credential. Connections without a credential, such as those of rooms, count
// separately, so that they never take the place of one with a credential. It has entries only for credentials and addresses
// that are connected, so clients cannot make it grow.
type limits struct {
	max, maxPerKey int
	descriptors    *Descriptors

	mu        sync.Mutex
	all       int
	byKey     map[string]int
	open      int // without a credential
	byNetwork map[string]int
}

func newLimits(l Limits) *limits {
	return &limits{max: l.Connections, maxPerKey: l.ConnectionsPerKey, descriptors: l.Descriptors, byKey: map[string]int{}, byNetwork: map[string]int{}}
}

// retryFull is the time after which a place may be free again.
const retryFull = 5 * time.Second

func errFull(what string) *httperr.Error {
	return httperr.New(http.StatusServiceUnavailable, httperr.TooManyConnections, "%s; try again later", what).After(retryFull)
}

// errNoDescriptor is the refusal of a stream that would take one of the last descriptors.
var errNoDescriptor = errFull("the gateway has as many connections as its limit of open files allows")

// take counts a connection of the credential, or returns which limit it would exceed.
func (l *limits) take(scope string) *httperr.Error {
	if l.descriptors.Scarce() {
		return errNoDescriptor
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max > 0 && l.all >= l.max {
		return errFull("the gateway has as many connections as MAX_CONNECTIONS allows")
	}
	if over := l.full(scope); over != nil {
		return over
	}
	l.all++
	l.byKey[scope]++
	return nil
}

// full returns why a credential can have no further connection, if so.
func (l *limits) full(scope string) *httperr.Error {
	if l.maxPerKey == 0 || l.byKey[scope] < l.maxPerKey {
		return nil
	}
	return httperr.New(http.StatusTooManyRequests, httperr.TooManyPerKey,
		"this credential has as many connections as MAX_CONNECTIONS_PER_KEY allows; close one or try again later").After(retryFull)
}

// give undoes take.
func (l *limits) give(scope string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	decrement(l.byKey, scope)
}

// move counts a connection of one credential as another's.
func (l *limits) move(from, to string) *httperr.Error {
	if from == to {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if over := l.full(to); over != nil {
		return over
	}
	decrement(l.byKey, from)
	l.byKey[to]++
	return nil
}

// takeOpen counts a connection without a credential. One address has at most half of them.
func (l *limits) takeOpen(network string) *httperr.Error {
	if l.descriptors.Scarce() {
		return errNoDescriptor
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max > 0 && l.open >= l.max {
		return errFull("the gateway has as many connections without a credential as MAX_CONNECTIONS allows")
	}
	if l.max > 0 && l.byNetwork[network] >= max(1, l.max/2) {
		return errFull("this address has as many connections without a credential as half of MAX_CONNECTIONS allows")
	}
	l.open++
	l.byNetwork[network]++
	return nil
}

// giveOpen undoes takeOpen.
func (l *limits) giveOpen(network string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	decrement(l.byNetwork, network)
}

func decrement(counts map[string]int, of string) {
	if counts[of]--; counts[of] == 0 {
		delete(counts, of)
	}
}

func (l *limits) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all + l.open
}
