package traffic

import (
	"net/http"
	"sync"
	"time"

	"sluice/handlers/httperr"
)

// limits counts connections, in all and by credential. It holds an entry only for credentials
// that are connected, so it cannot be grown.
type limits struct {
	most, mostPerKey int

	mu    sync.Mutex
	all   int
	byKey map[string]int
}

func newLimits(most, mostPerKey int) *limits {
	return &limits{most: most, mostPerKey: mostPerKey, byKey: map[string]int{}}
}

// take counts a connection of the credential in, or says which limit it would cross. An empty scope is nobody's: rooms
// have bounds of their own.
func (l *limits) take(scope string) *httperr.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most > 0 && l.all >= l.most {
		return httperr.New(http.StatusServiceUnavailable, httperr.TooManyConnections,
			"the gateway has as many connections as MAX_CONNECTIONS allows; try again later").After(5 * time.Second)
	}
	if over := l.full(scope); over != nil {
		return over
	}
	l.all++
	l.byKey[scope]++
	return nil
}

// full says whether a credential can have no further connection.
func (l *limits) full(scope string) *httperr.Error {
	if l.mostPerKey > 0 && scope != "" && l.byKey[scope] >= l.mostPerKey {
		return httperr.New(http.StatusTooManyRequests, httperr.TooManyPerKey,
			"this credential has as many connections as MAX_CONNECTIONS_PER_KEY allows; close one or try again later").After(5 * time.Second)
	}
	return nil
}

// move counts a connection of one credential as another's.
func (l *limits) move(from, to string) *httperr.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from == to {
		return nil
	}
	if over := l.full(to); over != nil {
		return over
	}
	l.leave(from)
	l.byKey[to]++
	return nil
}

func (l *limits) give(scope string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	l.leave(scope)
}

func (l *limits) leave(scope string) {
	if l.byKey[scope]--; l.byKey[scope] == 0 {
		delete(l.byKey, scope)
	}
}

func (l *limits) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}
