package persistr

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// Bounds of a page of JSON: events, their bytes (it ends with the event that goes over), how long it looks for them, and
// events read at a time, of which each may have MAX_EVENT bytes.
const (
	maxPageEvents = 1000
	pageBytes     = 4 << 20
	pageTime      = 2 * time.Second
	pageStep      = 64
)

// page answers with a page of the past as JSON: a bare array or, with schema=jsonapi, with the position to go on from. If
// there may be more, Link has the address of the next page (RFC 8288). An empty page can have one, too: it found nothing
// within its time.
func (h *Handler) page(c *call) error {
	s, filter, err := h.selected(c)
	if err != nil {
		return err
	}
	if s.onlyLive {
		return httperr.New(http.StatusNotAcceptable, nameNotAcceptable, "future events come as text/event-stream only")
	}
	most := maxPageEvents
	if s.limit > 0 {
		most = min(most, s.limit)
	}
	records, reached, more, err := h.readPast(c, s, &filter, most)
	if err != nil {
		return err
	}
	list := []byte{'['}
	for i := range records {
		if i > 0 {
			list = append(list, ',')
		}
		list = streams.Append(list, h.o.Broker.Log().Clock(), s.database, &records[i])
	}
	list = append(list, ']')
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	after := ""
	if more {
		after = positionText(reached)
		c.Response().Header().Set("Link", "<"+h.next(c, after)+`>; rel="next"`)
	}
	if c.QueryParam("schema") != "jsonapi" {
		return h.respondJSON(c, list)
	}
	text := []byte(`{"meta":{`)
	if more {
		text = append(text, `"cursor":{"after":`...)
		text = append(append(text, strconv.Quote(after)...), `}},"links":{"next":`...)
		text = append(append(text, strconv.Quote(h.next(c, after))...), `},"data":`...)
	} else {
		text = append(text, `},"links":{},"data":`...)
	}
	return h.respondJSON(c, append(append(text, list...), '}'))
}

// selectors are the parameters that the address of the next page repeats. It repeats nothing else, above all no credential:
// the client sends its own with each request.
var selectors = []string{"ns", "stream", "types", "to", "until", "limit", "schema"}

// next returns the address of the next page, as a client behind a proxy uses it.
func (h *Handler) next(c *call, after string) string {
	query, follow := c.QueryParams(), url.Values{"after": {after}}
	for _, name := range selectors {
		if values, there := query[name]; there {
			follow[name] = values
		}
	}
	return h.o.TrustedProxies.Prefix(c.Request()) + c.Request().URL.EscapedPath() + "?" + follow.Encode()
}

// readPast reads events of a selection. If a bound or the time ended the reading, more is true, and the next page begins after
// reached.
func (h *Handler) readPast(c *call, s *selection, filter *broker.Filter, most int) (records []eventlog.Event, reached uint64, more bool, err error) {
	log, ctx := h.o.Broker.Log(), c.Request().Context()
	q := &eventlog.Query{Space: streams.Space(s.database), Channels: filter.Channels, Stream: filter.Stream}
	until := time.Now().Add(pageTime)
	last := min(s.last, log.Settled())
	bytes := 0
	for after := s.after; after < last; {
		if err := ctx.Err(); err != nil {
			return nil, 0, false, err
		}
		p, err := h.o.Broker.Read(ctx, q, after, min(most, pageStep))
		if err != nil {
			return nil, 0, false, err
		}
		for i := range p.Events {
			e := &p.Events[i]
			if e.ID > last {
				return records, last, false, nil
			}
			if filter.Chooser != nil && !filter.Chooser.Wants(e) {
				continue
			}
			records = append(records, *e)
			if bytes += len(e.Data); len(records) == most || bytes > pageBytes {
				return records, e.ID, true, nil
			}
		}
		if after = p.Reached; after < last && time.Now().After(until) {
			return records, after, true, nil
		}
	}
	return records, last, false, nil
}
