package rooms

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"sluice/store/eventlog"
)

// Presence is what clients say about themselves. driftdb's PresenceListener relays {"value":…,"client":"…"} at least
// once a second, on any key. The room knows a presence while it is repeated and the connection is open.

// PresenceKey is the key of clients that give no key.
const PresenceKey = "__presence"

// presenceLife is how long a client counts as present after its last message.
const presenceLife = 4 * time.Second

// Bounds of what one connection may have. The presence that was not repeated for the longest time goes first.
const (
	maxPresencePairs = 16      // pairs of client and key
	presenceBytes    = 4 << 10 // of all together
	maxClientName    = 256     // bytes of a client's name
)

// clientKey is one client on one key.
type clientKey struct{ key, client string }

// Presence is what a client last said about itself.
type Presence struct {
	Client json.RawMessage `json:"client"`
	Value  json.RawMessage `json:"value"`
	At     time.Time       `json:"-"` // of the message
}

// Clients are the present clients of a connection, in one room. The zero value has none.
type Clients struct{ last map[clientKey]Presence }

// add adds a presence, within the bounds.
func (c *Clients) add(key clientKey, presence Presence) {
	if c.last == nil {
		c.last = map[clientKey]Presence{}
	}
	c.last[key] = presence
	for len(c.last) > maxPresencePairs || c.size() > presenceBytes {
		delete(c.last, c.oldest())
	}
}

func (c *Clients) size() (n int) {
	for key, presence := range c.last {
		n += len(key.key) + len(presence.Client) + len(presence.Value)
	}
	return n
}

func (c *Clients) oldest() (oldest clientKey) {
	var at time.Time
	for key, presence := range c.last {
		if at.IsZero() || presence.At.Before(at) {
			oldest, at = key, presence.At
		}
	}
	return oldest
}

// presenceOf reads a push that is a presence: a relay of an object with a client's name, perhaps a value, and nothing
// else. JSON leaves out an undefined value.
func presenceOf(e *eventlog.Event) (key clientKey, presence Presence, ok bool) {
	var fields map[string]json.RawMessage
	if e.Op != eventlog.Relay || json.Unmarshal(e.Data, &fields) != nil {
		return key, presence, false
	}
	client := fields["client"]
	if len(client) == 0 || len(client) > maxClientName || client[0] != '"' || json.Unmarshal(client, &key.client) != nil {
		return key, presence, false
	}
	value, has := fields["value"]
	if has && len(fields) > 2 || !has && len(fields) > 1 {
		return key, presence, false
	}
	if len(e.Key)+len(client)+len(value) > presenceBytes {
		value = json.RawMessage("null") // the client is present even if its value is too long
	}
	key.key = e.Key
	return key, Presence{Client: client, Value: value}, true
}

// Note looks at a push of a connection and notes a presence.
func (r *Rooms) Note(id string, c *Clients, e *eventlog.Event) {
	key, presence, ok := presenceOf(e)
	if !ok {
		return
	}
	presence.At = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	entered := r.rooms[id]
	if entered.present == nil {
		entered.present = map[*Clients]struct{}{}
	}
	entered.present[c] = struct{}{}
	c.add(key, presence)
}

// Forget removes the clients of a connection that ends.
func (r *Rooms) Forget(id string, c *Clients) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.rooms[id].present, c)
}

// Present are the clients that are present on a key now, ordered by name. A client that has come back, while its old
// connection is still open, is there once.
func (r *Rooms) Present(id, key string) []Presence {
	return sorted(r.present(id, key, time.Now()))
}

// Join puts together who is present at several gateways. A client that has changed its gateway, while its old connection is
// still open, is there once, with what it said last.
func Join(lists ...[]Presence) []Presence {
	last := map[string]Presence{}
	for _, presence := range slices.Concat(lists...) {
		var name string
		if json.Unmarshal(presence.Client, &name) == nil && !presence.At.Before(last[name].At) {
			last[name] = presence
		}
	}
	return sorted(slices.AppendSeq(make([]Presence, 0, len(last)), maps.Values(last)))
}

func sorted(list []Presence) []Presence {
	slices.SortFunc(list, func(a, b Presence) int { return bytes.Compare(a.Client, b.Client) })
	return list
}

func (r *Rooms) present(id, key string, now time.Time) []Presence {
	r.mu.Lock()
	defer r.mu.Unlock()
	entered := r.rooms[id]
	if entered == nil { // another gateway asks
		return nil
	}
	last := map[string]Presence{}
	for c := range entered.present {
		for k, presence := range c.last {
			if k.key == key && now.Sub(presence.At) < presenceLife && presence.At.After(last[k.client].At) {
				last[k.client] = presence
			}
		}
	}
	list := make([]Presence, 0, len(last))
	for _, presence := range last {
		list = append(list, presence)
	}
	return list
}
