package driftdb

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/cluster/peers"
	"sluice/store/rooms"
)

// Peers are the gateways of a cluster.
type Peers interface {
	Ask(ctx context.Context, what string, body []byte) []peers.Answer
	Serve(what string, f func(ctx context.Context, body []byte) ([]byte, error)) error
}

// askPresence is the question who is present at another gateway.
const askPresence = "presence"

// missingNodes is the header that names the gateways that did not answer.
const missingNodes = "X-Missing-Nodes"

// asked is a question, and said an element of the answer.
type (
	asked struct {
		Room string `json:"room"`
		Key  string `json:"key"`
	}
	said struct {
		Client json.RawMessage `json:"client"`
		Value  json.RawMessage `json:"value"`
		At     time.Time       `json:"at"`
	}
)

// presence answers with the clients that are in the room now, by the key of the request, or by the usual key of presence.
func (h *Handler) presence(c echo.Context) error {
	id := c.Param("room")
	if err := h.enter(c, id); err != nil {
		return err
	}
	defer h.rooms.Leave(id)
	key := rooms.PresenceKey
	if query := c.QueryParams(); query.Has("key") {
		key = query.Get("key")
	}
	var list []rooms.Presence
	if h.o.Peers == nil {
		list = h.rooms.Present(id, key)
	} else {
		list = h.presentEverywhere(c, asked{id, key})
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, list)
}

// servePresence answers other gateways. Who asks has let the client into the room.
func (h *Handler) servePresence() error {
	if h.o.Peers == nil {
		return nil
	}
	return h.o.Peers.Serve(askPresence, func(_ context.Context, body []byte) ([]byte, error) {
		var q asked
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, fmt.Errorf("reading a question about presence: %w", err)
		}
		answer := []said{}
		for _, p := range h.rooms.Present(q.Room, q.Key) {
			answer = append(answer, said(p))
		}
		return json.Marshal(answer)
	})
}

// presentEverywhere asks all gateways, this one too.
func (h *Handler) presentEverywhere(c echo.Context, q asked) []rooms.Presence {
	body, err := json.Marshal(q)
	if err != nil {
		panic(err) // it has texts only
	}
	var all []rooms.Presence
	var missing []string
	for _, a := range h.o.Peers.Ask(c.Request().Context(), askPresence, body) {
		var some []said
		if a.Err != nil || json.Unmarshal(a.Body, &some) != nil {
			missing = append(missing, a.Node)
			continue
		}
		for _, p := range some {
			all = append(all, rooms.Presence(p))
		}
	}
	if len(missing) > 0 {
		c.Response().Header().Set(missingNodes, strings.Join(missing, ", "))
	}
	return rooms.Join(all)
}
