package persistr

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"sluice/broker/database"
	"sluice/broker/eventlog"
)

// pageMost is how many events a page of JSON holds.
const pageMost = 1000

// page answers with a page of the past as JSON: a bare array or, with schema=jsonapi, with the place to go on
// from.
func (h *Handler) page(c *call) error {
	s, filter, err := h.selected(c)
	if err != nil {
		return err
	}
	if s.onlyLive {
		return fail(http.StatusNotAcceptable, "NotAcceptable", "what is to come is told as text/event-stream only")
	}
	most := pageMost
	if s.limit > 0 {
		most = min(most, s.limit)
	}
	records, err := h.past(c, s, &eventlog.Query{Space: database.Space(s.database), Channels: filter.Channels, Stream: filter.Stream}, most)
	if err != nil {
		return err
	}
	list := []byte{'['}
	for i := range records {
		if i > 0 {
			list = append(list, ',')
		}
		list = database.Append(list, s.database, &records[i])
	}
	list = append(list, ']')
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	if c.QueryParam("schema") != "jsonapi" {
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, list)
	}
	text := []byte(`{"meta":{`)
	if len(records) == most {
		after := placeOf(s, &records[most-1])
		text = append(text, `"cursor":{"after":`...)
		text = append(append(text, strconv.Quote(after)...), `}},"links":{"next":`...)
		text = append(append(text, strconv.Quote(next(c, after))...), `},"data":`...)
	} else {
		text = append(text, `},"links":{},"data":`...)
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, append(append(text, list...), '}'))
}

// placeOf is a place just behind an event, as a parameter takes it: its time, in microseconds, which its id is.
func placeOf(_ *selection, r *eventlog.Event) string { return database.TimeOf(r.ID) }

// next is the address of the page that follows.
func next(c *call, after string) string {
	query := c.QueryParams()
	follow := url.Values{}
	for name, values := range query {
		if name != "from" && name != "after" {
			follow[name] = values
		}
	}
	follow.Set("after", after)
	return c.Request().URL.EscapedPath() + "?" + follow.Encode()
}

// past reads events of a selection.
func (h *Handler) past(c *call, s *selection, q *eventlog.Query, most int) ([]eventlog.Event, error) {
	log := h.o.Broker.Log()
	wants := s.encoder()
	last := min(s.last, log.Settled())
	var records []eventlog.Event
	for after := s.after; after < last; {
		p, err := log.Read(c.Request().Context(), q, after, most)
		if err != nil {
			return nil, err
		}
		for i := range p.Events {
			if e := &p.Events[i]; e.ID > last || len(records) == most {
				return records, nil
			} else if wants.wants(e) {
				records = append(records, *e)
			}
		}
		after = p.Reached
	}
	return records, nil
}
