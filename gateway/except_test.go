package gateway_test

import (
	"fmt"
	"testing"

	"sluice/gateway/gatewaytest"
)

// TestExceptInACluster: a client that publishes at one gateway leaves out its stream at another one.
func TestExceptInACluster(t *testing.T) {
	t.Parallel()
	p := gatewaytest.StartPair(t)
	mine, here, there := p.B.Stream(t, gatewaytest.KeyAll, ""), p.A.Stream(t, gatewaytest.KeyAll, ""), p.B.Stream(t, gatewaytest.KeyAll, "")
	p.A.Publish(t, fmt.Sprintf(`{"event":"a","except":%q}`, mine.Connection))
	p.A.Publish(t, `{"event":"b"}`)
	for _, s := range []*gatewaytest.Stream{here, there} {
		if e := s.Event(t); e.Name != "a" {
			t.Errorf("another stream got %+v", e)
		}
	}
	for _, s := range []*gatewaytest.Stream{mine, here, there} {
		if e := s.Event(t); e.Name != "b" {
			t.Errorf("got %+v", e)
		}
	}
}
