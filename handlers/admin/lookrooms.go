package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
	"sluice/handlers/pathparam"
	"sluice/store/eventlog"
	"sluice/store/rooms"
)

// askLeave asks a gateway to cut the connections of a room that was dropped.
const askLeave = "leave"

// room is a room in a list.
type room struct {
	Room     string `json:"room"`
	Messages uint64 `json:"messages"`  // that were stored so far
	LastTime string `json:"last_time"` // of the last message, or when it was made
	Clients  int    `json:"clients"`   // of this gateway
}

func (h *Handler) roomOf(s rooms.Seen) room {
	return room{s.ID, s.Messages, h.timeOf(s.Last), s.Clients}
}

func (h *Handler) listRooms(ctx context.Context, c echo.Context, l look) error {
	found, next, err := h.o.Rooms.List(ctx, l.prefix, l.after, l.limit)
	if err != nil {
		return err
	}
	list := make([]room, 0, len(found))
	for _, s := range found {
		list = append(list, h.roomOf(s))
	}
	c.Response().Header().Set(totalCount, strconv.Itoa(h.o.Rooms.Count()))
	l.link(c, next)
	return c.JSON(http.StatusOK, list)
}

// roomEntry is a message that a room retains.
type roomEntry struct {
	Key   string          `json:"key"`
	Seq   uint64          `json:"seq"`
	ID    string          `json:"id"`
	Time  string          `json:"time"`
	Value json.RawMessage `json:"value"`
}

// lookAtRoom answers with a page of what a room retains.
func (h *Handler) lookAtRoom(ctx context.Context, c echo.Context, l look) error {
	id := pathparam.Get(c, "room")
	seen, err := h.o.Rooms.See(ctx, id)
	if err != nil {
		return err
	}
	var after eventlog.Event
	if l.after != "" {
		number, key, _ := strings.Cut(l.after, " ")
		if after.Seq, err = strconv.ParseUint(number, 10, 64); err != nil {
			return badParameter("after", "must be copied from the Link header of an answer")
		}
		after.Key = key
	}
	found, more, err := h.o.Rooms.Entries(ctx, id, after, l.limit, lookBytes)
	if err != nil {
		return err
	}
	entries := make([]roomEntry, 0, len(found))
	for _, e := range found {
		entries = append(entries, roomEntry{e.Key, e.Seq, idText(e.ID), h.timeOf(e.ID), json.RawMessage(e.Data)})
	}
	if more {
		last := found[len(found)-1]
		l.link(c, fmt.Sprint(last.Seq, " ", last.Key))
	}
	return c.JSON(http.StatusOK, struct {
		room
		Entries []roomEntry `json:"entries"`
	}{h.roomOf(seen), entries})
}

// dropRoom deletes a room, and cuts the connections of all who are inside.
func (h *Handler) dropRoom(c echo.Context) error {
	id := pathparam.Get(c, "room")
	audit.Target(c, "room "+id[:min(4, len(id))]+"…") // the whole id opens the room
	if err := h.o.Rooms.Remove(c.Request().Context(), id); err != nil {
		return err
	}
	cut, missing := h.leave(id), []string(nil)
	if h.o.Cluster != nil {
		var all []int
		all, missing = ask[int](c.Request().Context(), h.o.Cluster.Peers, askLeave, []byte(id))
		for _, n := range all {
			cut += n
		}
	}
	audit.Detail(c, fmt.Sprintf("%d connections were cut", cut))
	if len(missing) > 0 {
		c.Response().Header().Set(missingNodes, strings.Join(missing, ", "))
	}
	return c.NoContent(http.StatusNoContent)
}

// leave cuts this gateway's connections of a room.
func (h *Handler) leave(id string) int {
	var inside []*broker.Subscriber
	h.o.Broker.Each(func(b broker.Held) bool {
		if b.Channels == rooms.Space(id) {
			inside = append(inside, b.Subscriber)
		}
		return true
	})
	for _, s := range inside {
		s.End(broker.EndCut)
	}
	return len(inside)
}

// listCollections lists the collections with documents, by name.
func (h *Handler) listCollections(c echo.Context) error {
	q, err := pageOf(c, usualLookPage)
	if err != nil {
		return err
	}
	type collection struct {
		Collection string   `json:"collection"`
		Documents  int64    `json:"documents"`
		Bytes      int64    `json:"bytes"`
		Indexes    []string `json:"indexes"`
	}
	list, total := []collection{}, 0
	for _, one := range h.o.Collections() {
		if total++; q.in(one.Name) {
			list = append(list, collection{one.Name, one.Count, one.Bytes, append([]string{}, one.Indexes...)})
		}
	}
	return c.JSON(http.StatusOK, cut(c, q, total, list, func(one *collection) string { return one.Collection }))
}

// documents serves what is below a collection as the door /rest does.
func (h *Handler) documents(c echo.Context) error {
	if c.Request().Method != http.MethodGet && pathparam.Get(c, "id") == "*" {
		return httperr.New(http.StatusBadRequest, httperr.BadParameter, "name one document: the administrator changes no several at once")
	}
	return h.o.Documents(c, asAdmin(channel.Set{}))
}
