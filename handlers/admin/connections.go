package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
)

// connection is an open connection. Its id is the X-Request-Id of its answer, as in the log.
type connection struct {
	ID       string    `json:"id"`
	Who      string    `json:"who"`
	Kind     string    `json:"kind"`
	From     string    `json:"from"`
	Since    time.Time `json:"since"`
	Channels string    `json:"channels"`
	LagMS    int64     `json:"lag_ms"`
	Bytes    int64     `json:"bytes"`            // written to it so far
	Node     string    `json:"node,omitempty"`   // in a cluster
	Oldest   uint64    `json:"oldest,omitempty"` // between gateways only: the oldest event that it has yet to accept
}

// maxChannels bounds the text of a connection's channels: a grant can have a thousand patterns.
const maxChannels = 400

// openConnection is an open connection at the moment of listing.
type openConnection struct {
	broker.Holder
	channels string
	oldest   uint64
	behind   time.Duration
}

// connections are a page of a gateway's connections.
type connections struct {
	Total    int          `json:"total"`
	Matching int          `json:"matching"`
	More     bool         `json:"more"`
	Sort     ordering     `json:"sort,omitempty"` // an older gateway does not know it, and leaves it out
	List     []connection `json:"list"`
}

// listConnections lists the newest or the slowest first, of all gateways or of the one that the request names.
func (h *Handler) listConnections(c echo.Context) error {
	q, err := pageOf(c, maxListed)
	if err != nil {
		return err
	}
	if q.node, err = h.nodeOf(c); err != nil {
		return err
	}
	if err := q.grouped(c); err != nil {
		return err
	}
	if err := q.sorted(c); err != nil {
		return err
	}
	if q.group != "" && q.inside == "" {
		return h.listGroups(c, q)
	}
	var all connections
	switch {
	case h.o.Cluster == nil:
		all = h.connections(q)
	default:
		var missing []string
		if all, missing, err = h.inCluster(c.Request().Context(), q); err != nil {
			return err
		}
		setMissing(c, missing)
		q.sort = all.Sort
	}
	next := ""
	if all.More {
		next = all.List[len(all.List)-1].order(q.sort)
	}
	for i := range all.List {
		all.List[i].Oldest = 0
	}
	setPage(c, q, all.Total, all.Matching, next)
	return c.JSON(http.StatusOK, all.List)
}

// connections lists those of this gateway. Searching and sorting take time with many connections. So they run without the
// broker's lock, and for one request at a time.
func (h *Handler) connections(q query) connections {
	h.listing.Lock()
	defer h.listing.Unlock()
	all := h.openConnections()
	total := len(all)
	all = q.matching(q.ofGroup(all))
	slices.SortFunc(all, func(a, b openConnection) int {
		first, second := a.Client(), b.Client()
		newest := cmp.Or(cmp.Compare(second.Started.UnixNano(), first.Started.UnixNano()), cmp.Compare(first.RequestID, second.RequestID))
		if q.sort == slowestFirst {
			return cmp.Or(cmp.Compare(waiting(a.oldest), waiting(b.oldest)), newest)
		}
		return newest
	})
	found := connections{Total: total, Matching: len(all), Sort: q.sort}
	all, found.More = page(q, all, q.sort.ofOpen)
	found.List = make([]connection, 0, len(all))
	for _, s := range all {
		who := s.Client()
		one := connection{who.RequestID, who.Name, who.Kind, who.From, who.Started.UTC(), shortChannels(s.channels), s.behind.Milliseconds(), who.Bytes, h.node(), s.oldest}
		found.List = append(found.List, one)
	}
	return found
}

// grouped reads what connections are grouped by, and the group whose connections the request asks for.
func (q *query) grouped(c echo.Context) error {
	switch q.group = grouping(c.QueryParam("group")); q.group {
	case "", byKey, byChannel:
	default:
		return badParameter("group", "must be key or channel")
	}
	if q.inside = c.QueryParam("in"); q.inside != "" && (q.group == "" || len(q.inside) > maxSearch) {
		return badParameter("in", "must be the field group of a group, together with the parameter group that listed it")
	}
	return nil
}

// ofGroup keeps the connections of the group that the request names.
func (q *query) ofGroup(all []openConnection) []openConnection {
	if q.inside == "" {
		return all
	}
	ids := groupIDs{q.group, map[[2]string]string{}}
	return slices.DeleteFunc(all, func(s openConnection) bool { return ids.of(&s) != q.inside })
}

// matching keeps the connections that match the search. Connections of one view come one after another, so it searches
// their channels once.
func (q *query) matching(all []openConnection) []openConnection {
	if q.search == "" {
		return all
	}
	last, found := "", q.in("")
	return slices.DeleteFunc(all, func(s openConnection) bool {
		if s.channels != last {
			last, found = s.channels, q.in(withoutRooms(s.channels))
		}
		who := s.Client()
		return !found && !q.in(who.RequestID, who.Name, who.Kind, who.From)
	})
}

// withoutRooms leaves the ids of rooms out: each is the secret that opens its room.
func withoutRooms(channels string) string {
	if !strings.Contains(channels, channel.RoomSpace) {
		return channels
	}
	list := strings.Split(channels, ",")
	for i := range list {
		if strings.HasPrefix(list[i], channel.RoomSpace) {
			list[i] = channel.RoomSpace + "…"
		}
	}
	return strings.Join(list, ",")
}

func (h *Handler) cutConnection(c echo.Context) error {
	id := c.Param("id")
	detail, found := h.sever(id)
	if !found && h.o.Cluster != nil {
		var err error
		if detail, found, err = h.severElsewhere(c.Request().Context(), id); err != nil {
			return err
		}
	}
	if !found {
		return httperr.New(http.StatusNotFound, httperr.NotFound, "there is no such connection now")
	}
	audit.Detail(c, detail)
	return c.NoContent(http.StatusNoContent)
}

// sever ends a connection of this gateway, and says whose it was.
func (h *Handler) sever(id string) (detail string, done bool) {
	var found *broker.Subscriber
	h.o.Broker.Each(func(b broker.Held) bool {
		if b.Holder == nil {
			return true
		}
		if who := b.Holder.Client(); who.RequestID == id {
			found = b.Subscriber
			detail = who.Name + " from " + who.From
		}
		return found == nil
	})
	if found == nil {
		return "", false
	}
	found.End(broker.EndCut)
	return detail, true
}
