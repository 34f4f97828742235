package admin

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
)

// askGroups asks a gateway for its groups of connections.
const askGroups = "groups"

// grouping is what connections are grouped by.
type grouping string

const (
	byKey     grouping = "key"     // the credential
	byChannel grouping = "channel" // the filter
)

// group is the connections of one credential, or of one filter.
type group struct {
	Group       string `json:"group"` // names it in a request for its connections
	Name        string `json:"name"`  // of the credential, or the channels of the filter
	Kind        string `json:"kind,omitempty"`
	Connections int    `json:"connections"`
	Lagging     int    `json:"lagging"`
	LagMS       int64  `json:"lag_ms"` // of the slowest
	Bytes       int64  `json:"bytes"`  // written to all of them so far
}

// groups are some groups of a gateway, the largest first.
type groups struct {
	Connections int     `json:"connections"`
	Total       int     `json:"total"`
	Matching    int     `json:"matching"`
	List        []group `json:"list"`
}

// shownGroups is how many groups a gateway counts out for others, and the most on a page.
const shownGroups = maxListed

// incompleteGroups is a header that says that the gateways have more groups than they send each other. The sums of the
// smaller groups may then be too low.
const incompleteGroups = "X-Groups-Incomplete"

// groupID names a group. The channels of a filter may be longer than an address.
func groupID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// groupIDs finds the groups of connections.
type groupIDs struct {
	by   grouping
	seen map[[2]string]string // ids are costly, and most connections share one
}

func (g *groupIDs) key(s *openConnection) [2]string {
	if g.by == byChannel {
		return [2]string{withoutRooms(s.channels)}
	}
	who := s.Client()
	return [2]string{who.Name, who.Kind}
}

func (g *groupIDs) of(s *openConnection) string {
	key := g.key(s)
	id, known := g.seen[key]
	if !known {
		id = groupID(string(g.by), key[0], key[1])
		g.seen[key] = id
	}
	return id
}

// listGroups answers with the groups of connections, the largest first.
func (h *Handler) listGroups(c echo.Context, q query) error {
	var all groups
	switch {
	case h.o.Cluster == nil:
		all = h.groups(q)
	case q.node != "":
		one, err := askOne[groups](c.Request().Context(), h.o.Cluster.Peers, q.node, askGroups, q.question())
		if err != nil {
			return err
		}
		all = *one
	default:
		parts, missing := ask[groups](c.Request().Context(), h.o.Cluster.Peers, askGroups, q.question())
		if len(missing) > 0 {
			c.Response().Header().Set(missingNodes, strings.Join(missing, ", "))
		}
		all = mergeGroups(parts)
	}
	if len(all.List) < all.Matching {
		c.Response().Header().Set(incompleteGroups, "true")
	}
	list, more := page(q, all.List, orderOfGroup)
	next := ""
	if more {
		next = orderOfGroup(&list[len(list)-1])
	}
	setPage(c, q, all.Total, all.Matching, next)
	return c.JSON(http.StatusOK, list)
}

// openConnections are the connections of this gateway. The broker is locked for as long as it takes to copy them.
func (h *Handler) openConnections() []openConnection {
	all := make([]openConnection, 0, h.o.Broker.Count())
	h.o.Broker.Each(func(b broker.Held) bool {
		if b.Holder != nil {
			all = append(all, openConnection{b.Holder, b.Channels, b.Oldest, b.Behind})
		}
		return true
	})
	return all
}

// groups groups the connections of this gateway.
func (h *Handler) groups(q query) groups {
	h.listing.Lock()
	defer h.listing.Unlock()
	ids, by := groupIDs{q.group, map[[2]string]string{}}, map[[2]string]*group{}
	all := h.openConnections()
	for i := range all {
		s := &all[i]
		key := ids.key(s)
		g := by[key]
		if g == nil {
			g = &group{Group: ids.of(s), Name: shortChannels(key[0]), Kind: key[1]}
			by[key] = g
		}
		g.Connections++
		g.Bytes += s.Client().Bytes
		if lag := s.behind; lag > lagging*time.Millisecond {
			g.Lagging++
			g.LagMS = max(g.LagMS, lag.Milliseconds())
		}
	}
	found := groups{Connections: len(all), Total: len(by), List: []group{}}
	for _, g := range by {
		if q.in(g.Name, g.Kind) {
			found.List = append(found.List, *g)
		}
	}
	return found.largest()
}

// largest sorts the groups, and leaves the smallest out if there are many.
func (g groups) largest() groups {
	g.Matching = max(g.Matching, len(g.List))
	slices.SortFunc(g.List, func(a, b group) int { return cmp.Compare(orderOfGroup(&a), orderOfGroup(&b)) })
	g.List = g.List[:min(len(g.List), shownGroups)]
	return g
}

// orderOfGroup sorts the largest first.
func orderOfGroup(g *group) string {
	return fmt.Sprintf("%010d%s", math.MaxInt32-g.Connections, g.Group)
}

// mergeGroups adds up the groups of several gateways.
func mergeGroups(parts []groups) groups {
	by, all := map[string]*group{}, groups{}
	for _, part := range parts {
		all.Connections += part.Connections
		if part.Matching > len(part.List) {
			all.Matching, all.Total = max(all.Matching, part.Matching), max(all.Total, part.Total)
		}
		all.Total = max(all.Total, part.Total)
		for i := range part.List {
			one := &part.List[i]
			sum := by[one.Group]
			if sum == nil {
				by[one.Group] = one
				continue
			}
			sum.Connections += one.Connections
			sum.Lagging += one.Lagging
			sum.LagMS = max(sum.LagMS, one.LagMS)
			sum.Bytes += one.Bytes
		}
	}
	for _, one := range by {
		all.List = append(all.List, *one)
	}
	all.Total = max(all.Total, len(by))
	return all.largest()
}

// answerGroups answers another gateway.
func (h *Handler) answerGroups(body []byte) (any, error) {
	var q asked
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("reading a question about groups: %w", err)
	}
	return h.groups(query{search: q.Search, group: q.Group}), nil
}
