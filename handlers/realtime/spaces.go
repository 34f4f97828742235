package realtime

import (
	"errors"
	"net/http"
	"strings"

	"sluice/auth"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// writings are the databases that a batch appends to, by space.
type writings map[string]*streams.Writing

// checkDatabaseData checks the data of an event for a database. It must be an object, which all clients of databases expect;
// without data it becomes {}. It returns the fault, or "".
func checkDatabaseData(e *eventlog.Event) string {
	switch {
	case len(e.Data) == 0 || string(e.Data) == "null":
		e.Data = []byte("{}")
	case e.Data[0] != '{':
		return "must be an object in a database, like {\"amount\":50}"
	}
	return ""
}

// prepareDatabases turns the events for databases into what those store. An identity that may publish everything in a database makes
// its namespaces by writing to them.
func (h *Handler) prepareDatabases(id *auth.Identity, b *batch) (w writings, bad *httperr.Error) {
	for i := range b.events {
		e := &b.events[i]
		if e.Space == "" {
			continue
		}
		if bad := checkDatabaseData(e); bad != "" {
			return nil, httperr.New(http.StatusBadRequest, httperr.BadEvent, "%sfield \"data\": %s", b.eventName(i), bad)
		}
		one := w[e.Space]
		if one == nil {
			var err error
			if one, err = h.o.Databases.Write(strings.TrimPrefix(e.Space, channel.DBSpace)); err != nil {
				return nil, httperr.New(http.StatusBadRequest, httperr.BadEvent, "%sfield \"space\": %v", b.eventName(i), err)
			}
			if w == nil {
				w = writings{}
			}
			w[e.Space] = one
		}
		whole := id.Pub.Intersect(channel.NewSet(channel.Pattern{Space: e.Space})).String() == e.Space
		if err := one.Take(e, whole); err != nil {
			status, code := spaceFault(err)
			return nil, httperr.New(status, code, "%sfield \"stream\": %v", b.eventName(i), err)
		}
	}
	return w, nil
}

// spaceFault is the status and the code for the fault of an event for a database.
func spaceFault(err error) (int, string) {
	switch {
	case errors.Is(err, streams.ErrFull):
		return http.StatusForbidden, httperr.DatabaseFull
	case errors.Is(err, streams.ErrMayNot):
		return http.StatusForbidden, httperr.Forbidden
	}
	return http.StatusBadRequest, httperr.BadEvent
}
