package persistr

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"sluice/broker/database"
	"sluice/broker/eventlog"
	"sluice/handlers/body"
)

// Bounds of a page of JSON: events, their bytes (it ends with the event that goes over), and events read at a time, of
// which each may have MAX_EVENT bytes.
const (
	pageMost  = 1000
	pageBytes = 4 << 20
	pageStep  = 64
)

// page answers with a page of the past as JSON: a bare array or, with schema=jsonapi, with the place to go on
// from. Where there may be more, Link tells of it (RFC 8288).
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
	records, full, err := h.past(c, s, &eventlog.Query{Space: database.Space(s.database), Channels: filter.Channels, Stream: filter.Stream}, most)
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
	after := ""
	if full {
		after = placeOf(s, &records[len(records)-1])
		c.Response().Header().Set("Link", "<"+next(c, after)+`>; rel="next"`)
	}
	if c.QueryParam("schema") != "jsonapi" {
		return body.JSON(c, http.StatusOK, list)
	}
	text := []byte(`{"meta":{`)
	if full {
		text = append(text, `"cursor":{"after":`...)
		text = append(append(text, strconv.Quote(after)...), `}},"links":{"next":`...)
		text = append(append(text, strconv.Quote(next(c, after))...), `},"data":`...)
	} else {
		text = append(text, `},"links":{},"data":`...)
	}
	return body.JSON(c, http.StatusOK, append(append(text, list...), '}'))
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

// past reads events of a selection, and says whether a bound ended that.
func (h *Handler) past(c *call, s *selection, q *eventlog.Query, most int) (records []eventlog.Event, full bool, err error) {
	log := h.o.Broker.Log()
	wants := s.encoder()
	last := min(s.last, log.Settled())
	bytes := 0
	for after := s.after; after < last; {
		p, err := log.Read(c.Request().Context(), q, after, min(most, pageStep))
		if err != nil {
			return nil, false, err
		}
		for i := range p.Events {
			e := &p.Events[i]
			if e.ID > last {
				return records, false, nil
			}
			if !wants.wants(e) {
				continue
			}
			records = append(records, *e)
			if bytes += len(e.Data); len(records) == most || bytes > pageBytes {
				return records, true, nil
			}
		}
		after = p.Reached
	}
	return records, false, nil
}
