package persistr

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/channel"
	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/eventlog"
	"sluice/store/streams"
	"sluice/store/syntax"
)

// body reads a request's body, without white space; an empty body is "". A body may arrive slowly, so it checks afterwards
// that the sender is still active. A caller that needs a role checks that again, too.
func (h *Handler) body(c *call) ([]byte, error) {
	if c.read { // the call runs again
		return c.text, nil
	}
	text, err := h.readBody(c)
	if err == nil {
		c.read, c.text = true, text
	}
	return text, err
}

func (h *Handler) readBody(c *call) ([]byte, error) {
	text, err := body.Read(c, body.Limits{Bytes: h.o.MaxBody, Time: h.o.ReadTimeout, Memory: h.o.Traffic.Memory, Owner: c.who.identity.Scope})
	if err != nil {
		return nil, err
	}
	if over := c.who.identity.Over(time.Now()); over != nil {
		return nil, over
	}
	if !h.active(c.who) {
		return nil, unauthorized("this account was deactivated or destroyed while the request was arriving")
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	v := jsontext.Value(text)
	if err := v.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, bad("the body is not JSON: %s", syntax.ExplainJSON(text))
	}
	return v, nil
}

// appendEvent is PUT /events/{id} and POST /events.
func (h *Handler) appendEvent(c *call) error {
	started := time.Now()
	if !h.o.Traffic.EnterPublish() {
		return traffic.ErrDraining()
	}
	defer h.o.Traffic.LeavePublish()
	text, err := h.store(c)
	if err != nil {
		h.o.Traffic.Published(httperr.From(err).Code, 0, time.Since(started))
		return err
	}
	h.o.Traffic.Published("ok", 1, time.Since(started))
	return body.JSON(c, http.StatusCreated, text)
}

// store appends the event of the body, and returns it as stored.
func (h *Handler) store(c *call) ([]byte, error) {
	text, err := h.body(c)
	if err != nil {
		return nil, err
	}
	name, e, err := parseEvent(text, c.name("event"))
	if err != nil {
		return nil, err
	}
	var w *streams.Writing
	var r eventlog.Event
	err = h.again(c, func() error {
		w, r, err = h.record(c, name, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if ok, wait := c.who.identity.Take(time.Now(), 1); !ok {
		return nil, httperr.OverRate("this key publishes faster than its rate allows", wait)
	}
	if n := len(streams.Text(h.o.Broker.Log().Clock(), name, &r)); int64(n) > h.o.MaxEvent {
		return nil, httperr.New(http.StatusRequestEntityTooLarge, nameTooLarge, "the event is %d bytes; MAX_EVENT allows %d", n, h.o.MaxEvent)
	}
	r.ID, err = h.o.Catalog.Store(c.Request().Context(), &eventlog.Request{Events: []eventlog.Event{r}}, w)
	if errors.As(err, new(*eventlog.KeyError)) {
		return nil, httperr.New(http.StatusBadRequest, httperr.DuplicateEvent, "the stream already has an event %q", e.ID)
	}
	if err != nil {
		return nil, err
	}
	return streams.Text(h.o.Broker.Log().Clock(), name, &r), nil
}

// record makes the record of an event that the sender may append.
func (h *Handler) record(c *call, name string, e *streams.Event) (w *streams.Writing, r eventlog.Event, err error) {
	ok, create := h.mayAppend(c.who, name, e.Type)
	if !ok {
		return nil, r, forbidden("a member of database %q is needed to append to it; an unknown database gives the same answer", name)
	}
	if w, err = h.o.Catalog.Write(name); err == nil {
		r, err = w.Record(e, create)
	}
	return w, r, err
}

// parseEvent reads an event, and the database it is for.
func parseEvent(text []byte, id string) (name string, e *streams.Event, err error) {
	var body, meta map[string]json.RawMessage // and no struct, whose fields match in any case
	if len(text) == 0 || json.Unmarshal(text, &body) != nil || json.Unmarshal(body["meta"], &meta) != nil || meta == nil {
		return "", nil, bad(`the body must be an event: {"data":{…},"meta":{"db":…,"ns":…,"stream":…,"type":…}}`)
	}
	if !utf8.ValidString(id) {
		return "", nil, bad("the id in the path is not valid UTF-8")
	}
	if !utf8.Valid(text) { // encoding/json does not check what it does not decode
		return "", nil, bad("the body is not UTF-8")
	}
	e = &streams.Event{Data: body["data"], Meta: meta}
	if len(e.Data) == 0 {
		e.Data = json.RawMessage("{}")
	}
	if e.Data[0] != '{' {
		return "", nil, bad("data must be an object")
	}
	for field, to := range map[string]*string{"db": &name, "ns": &e.Namespace, "stream": &e.Stream, "type": &e.Type, "id": &e.ID} {
		v, there := e.Meta[field]
		if !there || string(v) == "null" {
			continue
		}
		if field == "ns" && string(v) == "[]" { // see clientRow
			delete(e.Meta, field)
			continue
		}
		if json.Unmarshal(v, to) != nil {
			return "", nil, bad("meta.%s must be a string", field)
		}
	}
	if tz, there := e.Meta["tz"]; !there || string(tz) == "null" || string(tz) == `""` {
		e.Meta["tz"] = json.RawMessage(`"UTC"`)
	}
	switch {
	case name == "":
		return "", nil, bad("meta.db is missing; it names the database")
	case e.Stream == "":
		return "", nil, bad("meta.stream is missing; it names the stream")
	case e.Type == "":
		return "", nil, bad("meta.type is missing; it names the type of the event")
	case id != "" && e.ID != "" && id != e.ID:
		return "", nil, bad("meta.id and the id in the path are not the same")
	case id != "":
		e.ID = id
	case e.ID == "":
		e.ID = streams.NewID()
	}
	return name, e, nil
}

func (h *Handler) readEvent(c *call) error {
	name := c.name("db")
	may := h.readable(c.who, name)
	if may.Empty() {
		return forbidden("a reader of database %q is needed for this; an unknown database gives the same answer", name)
	}
	r, err := h.o.Catalog.Event(c.Request().Context(), name, c.name("ns"), c.name("stream"), c.name("event"))
	if err == nil && !may.Match(channel.Of(r.Space, r.Name, "")) {
		err = streams.NoEvent(c.name("event"), c.name("stream")) // the same answer as for an unknown event
	}
	if err != nil {
		return err
	}
	return body.JSON(c, http.StatusOK, streams.Text(h.o.Broker.Log().Clock(), name, r))
}

func (h *Handler) destroyEvent(c *call) error {
	name, err := h.allowed(c, streams.Admin)
	if err != nil {
		return err
	}
	if err := h.o.Catalog.DestroyEvent(c.Request().Context(), name, c.name("ns"), c.name("stream"), c.name("event")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
