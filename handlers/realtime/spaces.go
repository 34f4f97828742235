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

// writings are the databases that a batch appends to. They cannot be renamed or destroyed until the batch is stored.
type writings map[string]*streams.Writing

func (w writings) done() {
	for _, one := range w {
		one.Done()
	}
}

// stored activates the namespaces that came with the batch.
func (w writings) stored() {
	for _, one := range w {
		one.Stored()
	}
}

// finish reports to each database whether its events were stored.
func (w writings) finish(err error) {
	for _, one := range w {
		one.Answered(err)
	}
}

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

// prepareDatabases turns the events for databases into what those store, and returns the rows that belong to them. An identity that
// may publish everything in a database makes its namespaces by writing to them.
func (h *Handler) prepareDatabases(id *auth.Identity, b *batch) (w writings, rows []eventlog.Row, bad *httperr.Error) {
	for i := range b.events {
		e := &b.events[i]
		if e.Space == "" {
			continue
		}
		if bad := checkDatabaseData(e); bad != "" {
			w.done()
			return nil, nil, httperr.New(http.StatusBadRequest, httperr.BadEvent, "%sfield \"data\": %s", b.eventName(i), bad)
		}
		one := w[e.Space]
		if one == nil {
			var err error
			if one, err = h.o.Databases.Write(strings.TrimPrefix(e.Space, channel.DBSpace)); err != nil {
				w.done()
				return nil, nil, httperr.New(http.StatusBadRequest, httperr.BadEvent, "%sfield \"space\": %v", b.eventName(i), err)
			}
			if w == nil {
				w = writings{}
			}
			w[e.Space] = one
		}
		whole := id.Pub.Intersect(channel.NewSet(channel.Pattern{Space: e.Space})).String() == e.Space
		if err := one.Take(e, whole); err != nil {
			w.done()
			status := http.StatusBadRequest
			code := httperr.BadEvent
			if errors.Is(err, streams.ErrMayNot) {
				status, code = http.StatusForbidden, httperr.Forbidden
			}
			return nil, nil, httperr.New(status, code, "%sfield \"stream\": %v", b.eventName(i), err)
		}
	}
	for space, one := range w {
		if err := one.Charge(b.events); err != nil {
			w.done()
			return nil, nil, httperr.New(http.StatusForbidden, httperr.DatabaseFull, "space %q: %v", space, err)
		}
		rows = append(rows, one.Rows()...)
	}
	return w, rows, nil
}
