package driftdb

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"sluice/broker/eventlog"
	"sluice/handlers/httperr"
)

// Bounds of rooms.
const (
	roomRate        = 2000 // messages a second of a room
	connectionRate  = 300  // and of a connection
	roomConnections = 10_000
)

// room is one that somebody is in, or is just looking at.
type room struct {
	inside  int
	left    time.Time // when it became empty; it is known for a while, so that its rate holds for POSTs too
	limiter *rate.Limiter
	present map[*conn]present
}

// present is what a connection last said of itself.
type present struct {
	Client json.RawMessage `json:"client"`
	Value  json.RawMessage `json:"value"`
	at     time.Time
}

// enter counts somebody in, if there is such a room.
func (h *Handler) enter(id string) error {
	if strings.ContainsAny(id, "/:") || len(id) > 64 {
		return noRoom()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r == nil {
		_, there, err := h.o.Broker.Log().LastKeyed(space(id))
		if err != nil {
			return unavailable(err)
		}
		if !there {
			return noRoom()
		}
		r = &room{limiter: rate.NewLimiter(roomRate, roomRate), present: map[*conn]present{}}
		h.rooms[id] = r
	}
	if r.inside >= roomConnections {
		return httperr.New(http.StatusTooManyRequests, httperr.TooManyPerKey, "the room has %d connections", roomConnections).After(5 * time.Second)
	}
	r.inside++
	return nil
}

// leave counts somebody out.
func (h *Handler) leave(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r.inside--; r.inside == 0 {
		r.left = time.Now()
	}
}

// emptyFor is how long an empty room is known.
const emptyFor = 10 * time.Second

// forgetEmpty forgets the rooms that have been empty for a while: they are read again when they are needed.
func (h *Handler) forgetEmpty(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, r := range h.rooms {
		if r.inside == 0 && now.Sub(r.left) > emptyFor {
			delete(h.rooms, id)
		}
	}
}

func (h *Handler) allow(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rooms[id].limiter.Allow()
}

// presenceKey is where driftdb's PresenceListener tells of its client.
const presenceKey = "__presence"

// What is kept of a connection's words of itself: it stays for as long as the connection does.
const (
	clientMost   = 256
	presenceMost = 4 << 10
)

// note keeps what a connection says of itself; of one that says much, that it is there.
func (h *Handler) note(id string, c *conn, m *message) {
	if m.key != presenceKey || m.op != eventlog.Relay {
		return
	}
	var p present
	if json.Unmarshal(m.value, &p) != nil || p.Client == nil || len(p.Client) > clientMost {
		return
	}
	if len(p.Value) > presenceMost {
		p.Value = nil
	}
	p.at = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rooms[id].present[c] = p
}

func (h *Handler) forget(id string, c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.rooms[id].present, c)
}

// quiet is for how long a client is taken to be present without a word: it says one each second.
const quiet = 4 * time.Second

// presence tells who is in the room now.
func (h *Handler) presence(c echo.Context) error {
	id := c.Param("room")
	if err := h.enter(id); err != nil {
		return err
	}
	defer h.leave(id)
	list := []present{}
	h.mu.Lock()
	for _, p := range h.rooms[id].present {
		if time.Since(p.at) < quiet {
			list = append(list, p)
		}
	}
	h.mu.Unlock()
	slices.SortFunc(list, func(a, b present) int { return bytes.Compare(a.Client, b.Client) })
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, list)
}

// keep drops rooms in which nothing was said for the time that the settings give them, until Close.
func (h *Handler) keep() {
	tick := time.NewTicker(emptyFor)
	defer tick.Stop()
	old := time.NewTicker(max(time.Second, min(time.Minute, h.o.Retention/10)))
	defer old.Stop()
	for {
		select {
		case <-h.quit:
			return
		case now := <-tick.C:
			h.forgetEmpty(now)
		case now := <-old.C:
			if err := h.dropOld(uint64(max(0, now.Add(-h.o.Retention).UnixMicro()))); err != nil {
				h.o.Logger.Error("dropping rooms", "cause", err)
			}
		}
	}
}

// dropOld drops the rooms whose last message is older than a position, and in which nobody is.
func (h *Handler) dropOld(before uint64) error {
	var old []string
	err := h.o.Broker.Log().KeyedSpaces(func(s eventlog.KeyedSpace) error {
		if s.Last < before {
			old = append(old, strings.TrimPrefix(s.Space, space("")))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for old rooms: %w", err)
	}
	for some := range slices.Chunk(old, dropsMost) {
		if err := h.drop(some, before); err != nil {
			return fmt.Errorf("dropping rooms: %w", err)
		}
	}
	return nil
}

// dropsMost bounds the rooms dropped in one commit.
const dropsMost = 100

// drop deletes rooms, with the door shut: who comes now finds none. They may have been in use since they were listed.
func (h *Handler) drop(ids []string, before uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var spaces []string
	for _, id := range ids {
		if r := h.rooms[id]; r != nil && r.inside > 0 {
			continue
		}
		last, there, err := h.o.Broker.Log().LastKeyed(space(id))
		if err != nil {
			return err
		}
		if there && last < before {
			delete(h.rooms, id)
			spaces = append(spaces, space(id))
		}
	}
	if len(spaces) == 0 {
		return nil
	}
	return h.o.Broker.Log().Drop(context.Background(), spaces...)
}
