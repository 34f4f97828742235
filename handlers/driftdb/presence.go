package driftdb

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
		list = h.presentEverywhere(c.Request().Context(), asked{id, key})
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

// presentEverywhere asks all gateways, this one too. The clients of a gateway that does not answer are missing.
func (h *Handler) presentEverywhere(ctx context.Context, q asked) []rooms.Presence {
	body, err := json.Marshal(q)
	if err != nil {
		panic(err) // it has texts only
	}
	var all []rooms.Presence
	for _, a := range h.o.Peers.Ask(ctx, askPresence, body) {
		var some []said
		if a.Err != nil || json.Unmarshal(a.Body, &some) != nil {
			h.o.Logger.Debug("a gateway does not say who is present", "node", a.Node, "cause", a.Err)
			continue
		}
		for _, p := range some {
			all = append(all, rooms.Presence(p))
		}
	}
	return rooms.Join(all)
}
