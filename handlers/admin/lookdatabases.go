package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/pathparam"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// database is a database in a list.
type database struct {
	Database   string                  `json:"database"`
	Created    string                  `json:"created"`
	Account    string                  `json:"account"` // that is charged for it; "": root
	Grants     map[string]streams.Role `json:"grants"`
	Namespaces int                     `json:"namespaces"`
	Events     int64                   `json:"events"`
	Bytes      int64                   `json:"bytes"`
}

// listDatabases lists the databases by name. What a database holds is looked up for those on the page alone.
func (h *Handler) listDatabases(ctx context.Context, c echo.Context, l look) error {
	names := slices.DeleteFunc(h.o.Databases.Names(), func(name string) bool { return !strings.HasPrefix(name, l.prefix) })
	page, next := l.names(names)
	list := []database{}
	for _, name := range page {
		if err := ctx.Err(); err != nil {
			return err
		}
		seen, err := h.o.Databases.See(name)
		if err != nil {
			continue // it was dropped meanwhile
		}
		state, err := h.o.Broker.Log().State(streams.Space(name))
		if err != nil {
			return err
		}
		list = append(list, database{name, seen.Created.UTC().Format(streams.TimeFormat), seen.Account, seen.Grants, seen.Namespaces, state.Count, state.Bytes})
	}
	l.link(c, next)
	return c.JSON(http.StatusOK, list)
}

// names is the page out of sorted names, and the name after which the next one begins.
func (l look) names(all []string) (page []string, next string) {
	if l.after != "" {
		all = all[sort.Search(len(all), func(i int) bool { return all[i] > l.after }):]
	}
	if len(all) > l.limit {
		return all[:l.limit], all[l.limit-1]
	}
	return all, ""
}

// listNamespaces lists the namespaces of a database, by name. The unnamed one, which each has, is not among them.
func (h *Handler) listNamespaces(ctx context.Context, c echo.Context, l look) error {
	all, err := h.o.Databases.Namespaces(ctx, pathparam.Get(c, "db"))
	if err != nil {
		return err
	}
	page, next := l.names(slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, l.prefix) }))
	type namespace struct {
		Namespace string `json:"namespace"`
	}
	list := make([]namespace, 0, len(page))
	for _, name := range page {
		list = append(list, namespace{name})
	}
	l.link(c, next)
	return c.JSON(http.StatusOK, list)
}

// listDatabaseStreams lists the streams of a database: of all namespaces, or of the one that the parameter ns names.
func (h *Handler) listDatabaseStreams(ctx context.Context, c echo.Context, l look) error {
	var namespace *string
	if values, given := c.QueryParams()["ns"]; given {
		namespace = &values[0]
	}
	found, next, err := h.o.Databases.SeeStreams(ctx, pathparam.Get(c, "db"), namespace, l.after, l.limit)
	if err != nil {
		return err
	}
	type seen struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		stream
	}
	list := make([]seen, 0, len(found))
	for _, s := range found {
		list = append(list, seen{s.Namespace, s.Name, h.streamOf(s.StreamState)})
	}
	l.link(c, next, "ns")
	return c.JSON(http.StatusOK, list)
}

// maxBack is how many events from the end a page of a database's events can begin.
const maxBack = 10_000

// listDatabaseEvents lists events of a database, oldest first: of all streams, or of the one with that name in the log. The
// page begins with the event that is so many from the end as the parameter last says.
func (h *Handler) listDatabaseEvents(ctx context.Context, c echo.Context, l look) error {
	last, err := numberOf(c, "last", l.limit, maxBack)
	if err != nil {
		return err
	}
	name := pathparam.Get(c, "db")
	if _, err := h.o.Databases.See(name); err != nil {
		return err
	}
	space, log := streams.Space(name), h.o.Broker.Log()
	f := broker.Filter{Channels: channel.NewSet(channel.Pattern{Space: space}), Stream: c.QueryParam("stream")}
	at, err := h.o.Broker.LastN(ctx, &f, last)
	if err != nil {
		return err
	}
	type event struct {
		ID    string          `json:"id"`
		Event json.RawMessage `json:"event"` // as clients of databases see it
	}
	list, bytes := []event{}, 0
	for settled := log.Settled(); at < settled && len(list) < l.limit && bytes < lookBytes; {
		page, err := log.Read(ctx, &eventlog.Query{Space: space, Channels: f.Channels, Stream: f.Stream}, at, l.limit-len(list))
		if err != nil {
			return err
		}
		for i := range page.Events {
			e := &page.Events[i]
			list = append(list, event{idText(e.ID), streams.Text(log.Clock(), name, e)})
			bytes += len(e.Data)
		}
		at = page.Reached
	}
	return c.JSON(http.StatusOK, list)
}
