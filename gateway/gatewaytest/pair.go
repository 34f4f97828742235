package gatewaytest

import (
	"testing"

	"sluice/store/eventlog/logtest"
)

// Pair is two gateways of one journal.
type Pair struct {
	Journal *logtest.Shared
	A, B    *Gateway
	OfB     *logtest.SharedNode // the journal as B sees it: a test can hold it back
}

// StartPair starts two gateways of one journal, which end with the test.
func StartPair(t testing.TB, change ...func(*Setup)) *Pair {
	t.Helper()
	p := &Pair{Journal: logtest.NewShared()}
	start := func(node *logtest.SharedNode) *Gateway {
		return Start(t, append(change, func(s *Setup) { s.Journal = node })...)
	}
	p.A = start(p.Journal.Node())
	p.OfB = p.Journal.Node()
	p.B = start(p.OfB)
	return p
}
