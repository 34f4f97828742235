package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/cluster/peers"
	"sluice/handlers/httperr"
)

// known are peers of which one answers, or gives an error.
type known struct {
	Peers
	answer string
	err    error
}

func (k known) AskOne(context.Context, string, string, []byte) ([]byte, error) {
	return []byte(k.answer), k.err
}

func (k known) Ask(context.Context, string, []byte) []peers.Answer {
	return []peers.Answer{{Node: "b", Body: []byte(k.answer), Err: k.err}}
}

func (known) List() []peers.Peer { return []peers.Peer{{Node: "a"}, {Node: "b"}} }

// A gateway that is not there is a 404 that names those that are. One that gives no answer may give one soon.
func TestAskOneGateway(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		name   string
		peers  known
		status int
		has    string
	}{
		{"unknown", known{err: peers.ErrUnknown}, http.StatusNotFound, "there are a, b"},
		{"away", known{err: peers.ErrAway}, http.StatusServiceUnavailable, "is silent"},
		{"slow", known{err: peers.ErrNoAnswer}, http.StatusServiceUnavailable, "did not answer in time"},
		{"its own error", known{err: errors.New("the gateway is closing")}, http.StatusServiceUnavailable, "is closing"},
		{"no JSON", known{answer: "figures"}, http.StatusServiceUnavailable, "cannot be read"},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			got, err := askOne[stats](t.Context(), one.peers, "b", askStats, nil)
			e := httperr.From(err)
			if got != nil || e.Status != one.status || !strings.Contains(e.Message, one.has) {
				t.Errorf("%v, %v", got, err)
			}
			want := time.Duration(0)
			if one.status == http.StatusServiceUnavailable {
				want = time.Second
			}
			if e.RetryAfter != want {
				t.Errorf("again after %v, want %v", e.RetryAfter, want)
			}
		})
	}
	if got, err := askOne[stats](t.Context(), known{answer: `{"node":"b","events":7}`}, "b", askStats, nil); err != nil || got.Node != "b" || got.Events != 7 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A page that another gateway sends is no larger than was asked for, and more follow only what is there.
func TestConnectionsAtBounds(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]connections{
		`{"more":true}`: {List: []connection{}},
		`{"total":2,"matching":2,"list":[{"id":"a"},{"id":"b"}]}`: {Total: 2, Matching: 2, More: true, List: make([]connection, 1)},
	} {
		h := &Handler{o: Options{Cluster: &Cluster{Peers: known{answer: answer}}}}
		got, _, err := h.inCluster(t.Context(), query{node: "b", limit: 1})
		if err != nil || got.List == nil || len(got.List) != len(want.List) || got.More != want.More || got.Total != want.Total || got.Matching != want.Matching {
			t.Errorf("%s: %+v, %v", answer, got, err)
		}
	}
}

// A gateway of an older version does not know sort: its newest come first, and the answer says so.
func TestOlderGatewayCannotSort(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct {
		sort  ordering
		first string
	}{
		`{"list":[{"id":"old","since":"2026-01-01T00:00:00Z","lag_ms":9},{"id":"new","since":"2026-01-02T00:00:00Z"}]}`:                         {newestFirst, "new"},
		`{"sort":"lag","list":[{"id":"old","since":"2026-01-01T00:00:00Z","lag_ms":9,"oldest":7},{"id":"new","since":"2026-01-02T00:00:00Z"}]}`: {slowestFirst, "old"},
	} {
		h := &Handler{o: Options{Cluster: &Cluster{Peers: known{answer: answer}}}}
		for _, node := range []string{"b", ""} {
			got, _, err := h.inCluster(t.Context(), query{node: node, limit: 9, sort: slowestFirst})
			if err != nil || len(got.List) != 2 || got.Sort != want.sort || got.List[0].ID != want.first {
				t.Errorf("%q, %s: %+v, %v", node, answer, got, err)
			}
		}
	}
}
