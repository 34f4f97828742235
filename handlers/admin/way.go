package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/handlers/pathparam"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// askWay asks a gateway for what it knows of an event's way.
const askWay = "way"

// way is an event, and what is known of its way: gateways remember that of the newest events.
type way struct {
	ID        string          `json:"id"`
	Time      string          `json:"time"`
	Space     string          `json:"space"` // "": /realtime
	Gone      bool            `json:"gone"`  // it was retracted, or has expired
	Channel   string          `json:"channel,omitempty"`
	Event     string          `json:"event,omitempty"`
	Stream    string          `json:"stream,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Retracts  bool            `json:"retracts,omitempty"` // it says that another event was retracted
	Except    bool            `json:"except,omitempty"`   // its publisher left out one connection
	Published *publisher      `json:"published"`          // null: it is not known any more
	Gateways  []wayAt         `json:"gateways"`
	Missing   []string        `json:"missing"` // gateways that did not answer
}

// publisher is who has sent the request that stored an event.
type publisher struct {
	Who       string `json:"who"`
	Kind      string `json:"kind"`
	Door      string `json:"door"`
	From      string `json:"from"`
	RequestID string `json:"request_id"`
	Node      string `json:"node,omitempty"`
}

// wayAt is what one gateway knows.
type wayAt struct {
	Node        string     `json:"node,omitempty"`
	Known       bool       `json:"known"`       // Connections and Filters are known
	Connections int        `json:"connections"` // that it was for, when it was published
	Filters     int        `json:"filters"`     // that these shared
	Waiting     int        `json:"waiting"`     // of those, the ones that have not taken it yet
	Now         []wanting  `json:"now"`         // filters that match it now, those of most connections
	Publisher   *publisher `json:"publisher,omitempty"`
}

// wanting is a filter that matches an event.
type wanting struct {
	Channels    string `json:"channels"`
	Connections int    `json:"connections"`
}

// wayAsked is a question about an event.
type wayAsked struct {
	Space string `json:"space"`
	ID    uint64 `json:"id,string"`
}

// event answers with an event and its way.
func (h *Handler) event(ctx context.Context, c echo.Context, _ look) error {
	text := pathparam.Get(c, "id")
	id, ok := eventlog.ParseID(text)
	if !ok || !broker.IsID(text) {
		return badParameter("id", "must be the id of an event: 1 to 16 digits")
	}
	q := wayAsked{c.QueryParam("space"), id}
	if p, err := channel.Parse(q.Space); q.Space != "" && (err != nil || p.Space != q.Space) {
		return badParameter("space", "must be $db/NAME or $room/ID; leave it out for /realtime")
	}
	e, err := h.o.Broker.Event(ctx, q.Space, id)
	if err != nil {
		return err
	}
	answer := way{ID: text, Time: h.timeOf(id), Space: q.Space, Gone: e == nil, Missing: []string{}}
	if h.o.Cluster == nil {
		answer.Gateways = []wayAt{h.wayHere(q, e)}
	} else {
		body, err := json.Marshal(q)
		if err != nil {
			return err
		}
		answer.Gateways, answer.Missing = ask[wayAt](ctx, h.o.Cluster.Peers, askWay, body)
	}
	known := false
	for i := range answer.Gateways {
		one := &answer.Gateways[i]
		known = known || one.Known || one.Publisher != nil
		if one.Publisher != nil {
			answer.Published, one.Publisher = one.Publisher, nil
			answer.Published.Node = one.Node
		}
	}
	if e == nil && !known {
		return httperr.New(http.StatusNotFound, httperr.NotFound, "there is no event with this id here: it never was, it was retracted, or it has expired")
	}
	if e != nil {
		answer.Channel, answer.Event, answer.Stream = e.Channel().String(), e.Name, e.Stream
		answer.Data, answer.Retracts, answer.Except = json.RawMessage(e.Data), e.Retracts(), e.Except() != eventlog.Connection{}
	}
	return c.JSON(http.StatusOK, answer)
}

// wayHere is what this gateway knows of an event's way. e is nil if the log does not have the event.
func (h *Handler) wayHere(q wayAsked, e *eventlog.Event) wayAt {
	gone := e == nil
	if gone {
		e = &eventlog.Event{ID: q.ID, Space: q.Space}
	}
	w := h.o.Broker.Way(e)
	at := wayAt{Node: h.node(), Known: w.Fanned, Connections: w.Subscribers, Filters: w.Views, Waiting: w.Waiting, Now: []wanting{}}
	if w.Published {
		at.Publisher = publisherOf(w.Sender)
	}
	for _, one := range w.Now {
		if gone {
			break
		}
		at.Now = append(at.Now, wanting{shortChannels(one.Channels), one.Subscribers})
	}
	return at
}

func publisherOf(s share.Sender) *publisher {
	return &publisher{
		Who: strings.ToValidUTF8(s.Name, "…"), Kind: s.Kind, Door: s.Door, From: s.From, RequestID: s.RequestID,
	}
}

// answerWay answers another gateway.
func (h *Handler) answerWay(body []byte) (any, error) {
	var q wayAsked
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	e, err := h.o.Broker.Event(ctx, q.Space, q.ID)
	if err != nil {
		return nil, err
	}
	return h.wayHere(q, e), nil
}

// shortChannels is the text of a filter as answers have it.
func shortChannels(text string) string {
	text = withoutRooms(text)
	if len(text) > maxChannels {
		text = strings.ToValidUTF8(text[:maxChannels], "") + "…"
	}
	return text
}

// idText is an id as answers have it.
func idText(id uint64) string { return strconv.FormatUint(id, 10) }
