package driftdb_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sluice/broker/sse/ssetest"
	"sluice/gateway/gatewaytest"
)

// A reader that takes what a room retains a little at a time gets each entry once, and then what came meanwhile: what is
// retained has no places to go on from, so what was begun is written to its end.
func TestSlowReaderOfRoom(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		room := g.NewRoom(t)
		var want []string
		for i := range 90 {
			key := fmt.Sprintf("k%02d", i)
			g.Push(t, room, fmt.Sprintf(`{"type":"push","key":%q,"value":%q,"action":{"type":"append"}}`, key, strings.Repeat("x", 10_000)))
			want = append(want, key)
		}
		c := g.Dial(t, "GET /room/"+room+"/events HTTP/1.1\r\nHost: x\r\n\r\n")
		if err := c.SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		g.AwaitSubscribers(t, 1)
		g.AwaitBlocked(t, 0, 64<<10) // or it has all by now, on a machine whose kernel holds so much
		g.Push(t, room, `{"type":"push","key":"last","value":1,"action":{"type":"append"}}`)
		want = append(want, "last")
		var parser ssetest.Parser
		var got []string
		body := unchunked(t, bufio.NewReaderSize(c, 4<<10))
		for buf := make([]byte, 4<<10); !slices.Contains(got, "last"); {
			n, err := body.Read(buf)
			if err != nil {
				t.Fatalf("%v after %d of %d", err, len(got), len(want))
			}
			events, err := parser.Feed(buf[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				var p struct{ Key string }
				if e.Name == "push" && json.Unmarshal([]byte(e.Data), &p) == nil {
					got = append(got, p.Key)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %d, want %d: %q", len(got), len(want), got)
		}
	})
}

// unchunked is the body of an answer.
func unchunked(t *testing.T, in *bufio.Reader) io.Reader {
	t.Helper()
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Body // not to be closed, which would read it to its end
}
