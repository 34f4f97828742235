package realtime_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// TestExceptOverHTTP: a publisher leaves a connection of its own out of some events of a batch. All others get them, and the
// same client gets them too when it comes back.
func TestExceptOverHTTP(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		mine, other := g.Stream(t, gatewaytest.KeyAll, ""), g.Stream(t, gatewaytest.KeyAll, "")
		if mine.Connection == other.Connection {
			t.Fatal("two streams have the same connection")
		}
		start := mine.Parser.LastEventID()
		except := fmt.Sprintf(`"except":%q`, mine.Connection)
		g.Publish(t, `[{"event":"a",`+except+`},{"event":"b"},{"event":"put","collection":"c",`+except+`}]`)
		g.Publish(t, `{"event":"d",`+except+`}`)
		g.Publish(t, `{"event":"e"}`)
		back := g.Stream(t, gatewaytest.KeyAll, "", "Last-Event-ID", start)
		for _, one := range []struct {
			who    string
			stream *gatewaytest.Stream
			want   string
		}{{"the one left out", mine, "b e"}, {"another one", other, "a b put d e"}, {"the one that comes back", back, "a b put d e"}} {
			for _, want := range strings.Fields(one.want) {
				if e := one.stream.Event(t); e.Name != want || strings.Contains(e.Data, mine.Connection) {
					t.Errorf("%s got %+v, want %s", one.who, e, want)
				}
			}
		}
	})
}
