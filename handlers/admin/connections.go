package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/broker/channel"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
	"sluice/handlers/stream"
)

// connection is one that is open now. Its id is the X-Request-Id of its answer, as in the log.
type connection struct {
	ID       string    `json:"id"`
	Who      string    `json:"who"`
	Kind     string    `json:"kind"`
	From     string    `json:"from"`
	Since    time.Time `json:"since"`
	Channels string    `json:"channels"`
	LagMS    int64     `json:"lag_ms"`
}

// totalCount is the header with how many there are of what a list tells.
const totalCount = "X-Total-Count"

// maxListed bounds a list.
const maxListed = 1000

// maxChannels bounds what is told of a grant of a thousand patterns.
const maxChannels = 400

func (h *Handler) listConnections(c echo.Context) error {
	total := 0
	list := []connection{}
	h.o.Broker.Each(func(b broker.Held) bool {
		s, ok := b.Holder.(*stream.Stream)
		if !ok {
			return true
		}
		if total++; len(list) < maxListed {
			one := connection{s.RequestID, s.Identity.Name, s.Identity.Kind, s.From, s.Started.UTC(), withoutRooms(b.Channels), b.Behind.Milliseconds()}
			if len(one.Channels) > maxChannels {
				one.Channels = one.Channels[:maxChannels] + "…"
			}
			list = append(list, one)
		}
		return true
	})
	slices.SortFunc(list, func(a, b connection) int { return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.ID, b.ID)) })
	c.Response().Header().Set(totalCount, strconv.Itoa(total))
	return c.JSON(http.StatusOK, list)
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
	var found *broker.Subscriber
	h.o.Broker.Each(func(b broker.Held) bool {
		if s, ok := b.Holder.(*stream.Stream); ok && s.RequestID == id {
			found = b.Subscriber
			audit.Detail(c, s.Identity.Name+" from "+s.From)
		}
		return found == nil
	})
	if found == nil {
		return httperr.New(http.StatusNotFound, httperr.NotFound, "there is no such connection now")
	}
	found.End(broker.EndCut)
	return c.NoContent(http.StatusNoContent)
}
