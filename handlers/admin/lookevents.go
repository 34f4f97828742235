package admin

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/channel"
	"sluice/handlers/pathparam"
	"sluice/store/eventlog"
)

// events answers as GET /realtime does, with the parameters of history. Without channels, it has all of /realtime; those of
// databases and rooms must be named, as everywhere.
func (h *Handler) events(c echo.Context) error {
	var asked []channel.Pattern
	for _, value := range c.QueryParams()["channels"] {
		for text := range strings.SplitSeq(value, ",") {
			if p, err := channel.Parse(text); err == nil && p.Space != "" && len(asked) < channel.MaxRequest {
				asked = append(asked, channel.Pattern{Space: p.Space})
			}
		}
	}
	return h.o.History(c, asAdmin(channel.Everything().Union(channel.NewSet(asked...))))
}

// retract takes an event out of the log, as DELETE /realtime does.
func (h *Handler) retract(c echo.Context) error {
	return h.o.Retract(c, asAdmin(channel.Everything()), pathparam.Get(c, "id"))
}

// stream is a named stream of /realtime.
type stream struct {
	Stream  string `json:"stream"`
	Events  int    `json:"events"`
	More    bool   `json:"more"` // there are more events than were counted
	First   string `json:"first"`
	FirstAt string `json:"first_time"`
	Last    string `json:"last"`
	LastAt  string `json:"last_time"`
}

func (h *Handler) streamOf(s eventlog.StreamState) stream {
	return stream{
		Stream: s.Stream, Events: s.Count, More: s.Count == eventlog.MostCounted, First: strconv.FormatUint(s.First, 10), FirstAt: h.timeOf(s.First),
		Last: strconv.FormatUint(s.Last, 10), LastAt: h.timeOf(s.Last),
	}
}

// listStreams lists the named streams of /realtime, by name.
func (h *Handler) listStreams(ctx context.Context, c echo.Context, l look) error {
	found, next, err := h.o.Broker.Log().Names(ctx, "", l.prefix, l.after, l.limit)
	if err != nil {
		return err
	}
	list := make([]stream, 0, len(found))
	for _, s := range found {
		list = append(list, h.streamOf(s))
	}
	l.link(c, next)
	return c.JSON(http.StatusOK, list)
}
