package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/cluster/peers"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
)

// Cluster is what the API needs of the cluster that the gateway is in.
type Cluster struct {
	Node    string // the gateway's name
	Peers   Peers
	Levels  func() (writes int, older []string) // the level that it writes, and gateways that do not read its newest one
	Journal func(ctx context.Context) (Journal, error)
}

// Peers are the gateways of the cluster.
type Peers interface {
	List() []peers.Peer
	Majority() bool
	Ask(ctx context.Context, what string, body []byte) []peers.Answer
	AskOne(ctx context.Context, node, what string, body []byte) ([]byte, error)
	Serve(what string, f func(ctx context.Context, body []byte) ([]byte, error)) error
}

// Journal is the state of the cluster's journal.
type Journal struct {
	Leader   string    `json:"leader"` // the server that leads it
	First    uint64    `json:"first"`  // places
	Last     uint64    `json:"last"`
	Bytes    uint64    `json:"bytes"`
	Wanted   int       `json:"wanted"` // replicas, the leader included
	Replicas []Replica `json:"replicas"`
	Error    string    `json:"error,omitempty"`
}

// Replica is a server that has the journal, besides its leader.
type Replica struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	Behind  uint64 `json:"behind"` // messages
}

// Questions to the gateways of the cluster.
const (
	askConnections  = "connections"
	askCut          = "cut"
	askStats        = "stats"
	askBackups      = "backups"
	askRemoveBackup = "removebackup"
)

// missingNodes is the header that names the gateways that a list lacks, because they did not answer.
const missingNodes = "X-Missing-Nodes"

// node is the gateway's name in its cluster, or "".
func (h *Handler) node() string {
	if h.o.Cluster == nil {
		return ""
	}
	return h.o.Cluster.Node
}

// serveCluster answers the questions of other gateways. The administrator's key was checked where the request came in.
func (h *Handler) serveCluster() error {
	if h.o.Cluster == nil {
		return nil
	}
	for what, f := range map[string]func(body []byte) (any, error){
		askConnections: func(body []byte) (any, error) {
			var q asked
			if err := json.Unmarshal(body, &q); err != nil {
				return nil, fmt.Errorf("reading a question about connections: %w", err)
			}
			return h.connections(query{search: q.Search, after: q.After, limit: min(q.Limit, maxListed), group: q.Group, inside: q.Inside, sort: q.Sort}).short(), nil
		},
		askCut: func(body []byte) (any, error) {
			detail, done := h.sever(string(body))
			return severed{detail, done}, nil
		},
		askStats:        func([]byte) (any, error) { return h.figures(), nil },
		askBackups:      func([]byte) (any, error) { return h.backupsHere() },
		askRemoveBackup: func(body []byte) (any, error) { return h.removeHere(string(body)) },
		askGroups:       h.answerGroups,
		askHistory:      func([]byte) (any, error) { return h.recent.list(), nil },
		askWay:          h.answerWay,
		askLeave:        func(body []byte) (any, error) { return h.leave(string(body)), nil },
	} {
		if err := h.o.Cluster.Peers.Serve(what, func(_ context.Context, body []byte) ([]byte, error) {
			answer, err := f(body)
			if err != nil {
				return nil, err
			}
			return json.Marshal(answer)
		}); err != nil {
			return err
		}
	}
	return nil
}

// ask asks all gateways. It returns the answers, and the names of those that gave none.
func ask[T any](ctx context.Context, p Peers, what string, body []byte) (answers []T, missing []string) {
	missing = []string{}
	for _, a := range p.Ask(ctx, what, body) {
		var one T
		if a.Err != nil || json.Unmarshal(a.Body, &one) != nil {
			missing = append(missing, a.Node)
			continue
		}
		answers = append(answers, one)
	}
	return answers, missing
}

// asked is a question about connections.
type asked struct {
	Search string   `json:"search"`
	After  string   `json:"after"`
	Limit  int      `json:"limit"`
	Group  grouping `json:"group,omitempty"`
	Inside string   `json:"in,omitempty"`
	Sort   ordering `json:"sort,omitempty"`
}

// question asks a gateway for a page.
func (q *query) question() []byte {
	body, err := json.Marshal(asked{q.search, q.after, q.limit, q.group, q.inside, q.sort})
	if err != nil {
		panic(err) // it has texts and a number only
	}
	return body
}

// setMissing names the gateways that a list lacks.
func setMissing(c echo.Context, missing []string) {
	if len(missing) > 0 {
		c.Response().Header().Set(missingNodes, strings.Join(missing, ", "))
	}
}

// merge makes one page of those of several gateways. It ends where the first of them ends that has more.
func merge(pages []connections, q query) connections {
	all, end := connections{List: []connection{}, Sort: q.sort}, ""
	for _, p := range pages {
		all.Total += p.Total
		all.Matching += p.Matching
		all.List = append(all.List, p.List...)
		if n := len(p.List); p.More && n > 0 {
			all.More = true
			if last := p.List[n-1].order(q.sort); end == "" || last < end {
				end = last
			}
		}
	}
	slices.SortFunc(all.List, func(a, b connection) int { return cmp.Compare(a.order(q.sort), b.order(q.sort)) })
	if end != "" {
		all.List = slices.DeleteFunc(all.List, func(c connection) bool { return c.order(q.sort) > end })
	}
	if len(all.List) > q.limit {
		all.List, all.More = all.List[:q.limit], true
	}
	return all
}

// short is a page that fits into an answer to another gateway.
func (p connections) short() connections {
	for len(p.List) > 1 {
		text, err := json.Marshal(p)
		if err != nil || len(text) <= peers.MaxAnswer {
			break
		}
		p.List, p.More = p.List[:len(p.List)/2], true
	}
	return p
}

// severed is the answer of a gateway that was to cut a connection.
type severed struct {
	Detail string `json:"detail"`
	Done   bool   `json:"done"`
}

// severElsewhere cuts a connection at the gateway that has it.
func (h *Handler) severElsewhere(ctx context.Context, id string) (detail string, done bool, err error) {
	answers, missing := ask[severed](ctx, h.o.Cluster.Peers, askCut, []byte(id))
	for _, a := range answers {
		if a.Done {
			return a.Detail, true, nil
		}
	}
	if len(missing) > 0 {
		return "", false, httperr.New(http.StatusServiceUnavailable, httperr.Unavailable,
			"no gateway that answered has the connection, and these did not answer: %s; try again", strings.Join(missing, ", "))
	}
	return "", false, nil
}

// sums are figures of all gateways together.
type sums struct {
	Nodes       int      `json:"nodes"`   // that the sums have
	Missing     []string `json:"missing"` // those that did not answer
	Connections int      `json:"connections"`
	summed
}

// allFigures are the figures of this gateway, and in a cluster the sums of all.
func (h *Handler) allFigures(ctx context.Context) *stats {
	s := h.figures()
	if h.o.Cluster == nil {
		return s
	}
	s.Cluster = sumsOf(ask[stats](ctx, h.o.Cluster.Peers, askStats, nil))
	return s
}

// sumsOf adds up what gateways have answered.
func sumsOf(all []stats, missing []string) *sums {
	t := &sums{Nodes: len(all), Missing: missing, summed: summed{ByKind: traffic.ByKind{}}}
	for i := range all {
		t.Connections += all[i].Connections
		t.add(all[i].summed)
	}
	return t
}

// gateway is a gateway of the cluster.
type gateway struct {
	Node        string    `json:"node"`
	Self        bool      `json:"self"`
	Ready       bool      `json:"ready"`
	Away        bool      `json:"away"`
	Twice       bool      `json:"twice"` // two gateways have the name
	Version     string    `json:"version"`
	Level       int       `json:"level"`
	Writes      int       `json:"writes"`
	Address     string    `json:"address"`
	Place       uint64    `json:"place"`
	Behind      uint64    `json:"behind"`
	Newest      string    `json:"newest"`
	Connections int       `json:"connections"`
	Started     time.Time `json:"started"`
	SeenMS      int64     `json:"seen_ms"`
	ClockOffMS  int64     `json:"clock_off_ms"`
}

// cluster shows the gateways of the cluster, and its journal.
func (h *Handler) cluster(c echo.Context) error {
	if h.o.Cluster == nil {
		return httperr.New(http.StatusNotFound, httperr.NotFound, "this gateway is alone: CLUSTER_URL is not set")
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), time.Second)
	defer cancel()
	journal, err := h.o.Cluster.Journal(ctx)
	if err != nil {
		journal.Error = err.Error()
	}
	if journal.Replicas == nil {
		journal.Replicas = []Replica{}
	}
	list := []gateway{}
	for _, p := range h.o.Cluster.Peers.List() {
		list = append(list, gateway{
			Node: p.Node, Self: p.Self, Ready: p.Ready && !p.Away, Away: p.Away, Twice: p.Twice, Version: p.Version, Level: p.Level, Writes: p.Writes,
			Address: p.Address, Place: p.Place, Behind: p.Behind, Newest: fmt.Sprint(p.Newest), Connections: p.Connections,
			Started: p.Started.UTC(), SeenMS: p.Seen.Milliseconds(), ClockOffMS: p.ClockOff.Milliseconds(),
		})
	}
	writes, older := h.o.Cluster.Levels()
	if older == nil {
		older = []string{}
	}
	return c.JSON(http.StatusOK, map[string]any{
		"node": h.o.Cluster.Node, "majority": h.o.Cluster.Peers.Majority(), "writes": writes, "older": older, "journal": journal, "nodes": list,
	})
}
