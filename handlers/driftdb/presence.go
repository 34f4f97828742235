package driftdb

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/store/eventlog"
)

// Presence is what clients say of themselves: driftdb's PresenceListener relays {"value":…,"client":"…"} at least once a
// second, on any key. It is known as long as it is repeated and the connection is there.

// presenceKey is the key of who names none.
const presenceKey = "__presence"

// quiet is for how long a client is taken to be present without a word.
const quiet = 4 * time.Second

// What is known of a connection; what it has not repeated for the longest time goes first.
const (
	presenceMost  = 16      // clients and keys
	presenceBytes = 4 << 10 // of all together
	clientMost    = 256     // bytes of a client's name
)

// presence is one client on one key.
type presence struct{ key, client string }

// said is what a client last said of itself.
type said struct {
	Client json.RawMessage `json:"client"`
	Value  json.RawMessage `json:"value"`
	at     time.Time
}

// presences are those of a connection.
type presences map[presence]said

// add takes what was said, within the bounds.
func (p presences) add(who presence, what said) {
	p[who] = what
	for len(p) > presenceMost || p.size() > presenceBytes {
		delete(p, p.oldest())
	}
}

func (p presences) size() (n int) {
	for who, what := range p {
		n += len(who.key) + len(what.Client) + len(what.Value)
	}
	return n
}

func (p presences) oldest() (oldest presence) {
	var at time.Time
	for who, what := range p {
		if at.IsZero() || what.at.Before(at) {
			oldest, at = who, what.at
		}
	}
	return oldest
}

// presenceOf reads a push that is presence: a relay of an object with a client's name, a value, as far as JSON has it, and
// nothing else.
func presenceOf(m *message) (who presence, what said, ok bool) {
	var fields map[string]json.RawMessage
	if m.op != eventlog.Relay || json.Unmarshal(m.value, &fields) != nil {
		return who, what, false
	}
	client := fields["client"]
	if len(client) == 0 || len(client) > clientMost || client[0] != '"' || json.Unmarshal(client, &who.client) != nil {
		return who, what, false
	}
	value, told := fields["value"]
	if told && len(fields) > 2 || !told && len(fields) > 1 {
		return who, what, false
	}
	if len(m.key)+len(client)+len(value) > presenceBytes {
		value = json.RawMessage("null") // it is there, whatever it says
	}
	who.key = m.key
	return who, said{Client: client, Value: value}, true
}

// note keeps what a connection says of its clients.
func (h *Handler) note(id string, c *conn, m *message) {
	who, what, ok := presenceOf(m)
	if !ok {
		return
	}
	what.at = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r.present == nil {
		r.present = map[*conn]presences{}
	}
	if r.present[c] == nil {
		r.present[c] = presences{}
	}
	r.present[c].add(who, what)
}

func (h *Handler) forget(id string, c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.rooms[id].present, c)
}

// there are the clients that are present on a key now. One that has come back, while its old connection is not given up
// yet, is told once.
func (h *Handler) there(id, key string, now time.Time) []said {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := map[string]said{}
	for _, p := range h.rooms[id].present {
		for who, what := range p {
			if who.key == key && now.Sub(what.at) < quiet && what.at.After(last[who.client].at) {
				last[who.client] = what
			}
		}
	}
	list := make([]said, 0, len(last))
	for _, what := range last {
		list = append(list, what)
	}
	return list
}

// presence tells who is in the room now, on a key.
func (h *Handler) presence(c echo.Context) error {
	id := c.Param("room")
	if err := h.enter(id); err != nil {
		return err
	}
	defer h.leave(id)
	key := presenceKey
	if query := c.QueryParams(); query.Has("key") {
		key = query.Get("key")
	}
	list := h.there(id, key, time.Now())
	slices.SortFunc(list, func(a, b said) int { return bytes.Compare(a.Client, b.Client) })
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, list)
}
