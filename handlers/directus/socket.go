package directus

import (
	"context"
	"net/http"

	"github.com/tidwall/gjson"
	"golang.org/x/time/rate"

	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/share"
)

// take does what a message asks for. It answers a fault in the message with an error, and the connection continues. An
// error that take returns ends the connection. The end of ctx shows the store that the answer was sent.
func (c *conn) take(ctx context.Context, text []byte) error {
	m, err := c.h.decode(text)
	if !c.hasAuthenticated && c.h.o.Mode == Handshake && (err != nil || m.kind != typeAuth) {
		return c.refuseHandshake()
	}
	if err != nil {
		c.fail(typeServer, err, "")
		return nil
	}
	if c.limiter == nil {
		c.limiter = rate.NewLimiter(connectionRate, connectionRate)
	}
	if !c.limiter.Allow() {
		c.fail(typeServer, httperr.New(http.StatusTooManyRequests, codeRate, "more than %d messages a second; slow down: this one was ignored", connectionRate), m.uid)
		return nil
	}
	switch m.kind {
	case typeAuth:
		return c.authenticate(ctx, m)
	case typePing:
		c.send(appendUID([]byte(`{"type":"pong"`), m.uid))
	case typeSubscribe:
		err = c.subscribe(ctx, m)
	case typeUnsubscribe:
		c.unsubscribe(m)
	case typeItems:
		err = c.items(ctx, m)
	}
	if err != nil && ctx.Err() == nil {
		c.fail(m.kind, err, m.uid)
	}
	return nil // the writer notices that the client is gone
}

// fail answers with an error.
func (c *conn) fail(kind string, err error, uid string) {
	e := httperr.From(err)
	c.h.o.Traffic.Refused(doorName, e.Code)
	httperr.LogMessage(c.h.o.Logger, pathSocket, c.lease.RequestID, e)
	c.send(problem(kind, e, uid))
}

func (c *conn) caller(ctx context.Context, collection string) *caller {
	return &caller{c.h, share.WithSender(ctx, owner(c.who, c.lease.From), traffic.Sender(doorName, c.who, c.lease.From, c.lease.RequestID)), c.who, collection}
}

// reach refuses a client without a permission. On sockets, a collection that it may not read looks like an unknown one.
func (c *caller) reach(method string) error {
	err := c.need(method)
	if err != nil && c.need(read) != nil && httperr.From(err).Status != http.StatusUnauthorized {
		return httperr.New(http.StatusForbidden, codeCollection, "%v", err)
	}
	return err
}

// actions are what an items message may ask for, by the permission that it takes.
var actions = map[string]string{"create": create, "read": read, "update": update, "delete": remove}

// items reads or changes items, and answers with them.
func (c *conn) items(ctx context.Context, m *message) error {
	collection, err := m.text("collection")
	if err != nil {
		return err
	}
	action, err := m.text("action")
	if err != nil {
		return err
	}
	method := actions[action]
	if method == "" {
		return badPayload(`"action" must be create, read, update or delete`)
	}
	by := c.caller(ctx, collection)
	if err := by.reach(method); err != nil {
		return err
	}
	q, err := queryIn(m.Get("query"))
	if err == nil && action != "read" {
		err = q.plain()
	}
	if err != nil {
		return err
	}
	var f *found
	switch action {
	case "create":
		f, err = by.createBy(m, q)
	case "read":
		f, err = by.readBy(m, q)
	case "update":
		f, err = by.updateBy(m, q)
	case "delete":
		f, err = by.removeBy(m, q)
	}
	if err != nil {
		return err
	}
	answer := make([]byte, maxHead, maxHead+len(f.data)+len(f.meta)+maxUID+64)
	answer = append(append(answer, `{"type":"items"`...), `,"data":`...)
	answer = append(answer, f.data...)
	if f.meta != nil {
		answer = append(append(answer, `,"meta":`...), f.meta...)
	}
	c.sendLarge(appendUID(answer, m.uid))
	return nil
}

// shown returns the answer to a change: the items as they are now, or nothing if the client may not read them.
func (c *caller) shown(texts [][]byte, single bool, q *itemsQuery) *found {
	switch {
	case !c.may(read):
		return &found{data: []byte("null")}
	case single:
		return &found{data: q.show(nil, texts[0])}
	}
	return &found{data: q.appendList(nil, texts)}
}

func (c *caller) createBy(m *message, q *itemsQuery) (*found, error) {
	data := m.Get("data")
	if !data.Exists() {
		return nil, badPayload(`a create needs "data": an item, or an array of them`)
	}
	texts, single, err := c.create(data)
	if err != nil {
		return nil, err
	}
	return c.shown(texts, single, q), nil
}

func (c *caller) readBy(m *message, q *itemsQuery) (*found, error) {
	ids, single, err := m.ids()
	switch {
	case err != nil:
		return nil, err
	case single:
		return c.one(ids[0], q)
	case ids != nil:
		return c.some(ids, q)
	}
	return c.list(q)
}

func (c *caller) updateBy(m *message, q *itemsQuery) (*found, error) {
	if data := m.Get("data"); data.IsArray() && !m.named() {
		texts, err := c.updateEach(data)
		if err != nil {
			return nil, err
		}
		return c.shown(texts, false, q), nil
	}
	ids, single, err := c.target(update, m, q)
	if err != nil {
		return nil, err
	}
	texts, err := c.update(ids, !m.named(), m.Get("data"))
	if err != nil {
		return nil, err
	}
	return c.shown(texts, single, q), nil
}

func (c *caller) removeBy(m *message, q *itemsQuery) (*found, error) {
	ids, single, err := c.target(remove, m, q)
	if err != nil {
		return nil, err
	}
	gone, err := c.remove(ids, !m.named())
	if err != nil {
		return nil, err
	}
	if single {
		return &found{data: gjson.AppendJSONString(nil, ids[0])}, nil
	}
	return &found{data: appendIDs(nil, gone)}, nil
}

// target returns the ids of the items that a message changes: those it names, or those its query selects.
func (c *caller) target(method string, m *message, q *itemsQuery) (ids []string, single bool, err error) {
	if m.named() {
		return m.ids()
	}
	if !m.Get("query").IsObject() {
		return nil, false, badPayload(`it needs an "id", "ids" or a "query"; an empty query means all items`)
	}
	ids, err = c.selected(method, q)
	return ids, false, err
}

// named reports whether the message names items.
func (m *message) named() bool { return m.has("id") || m.has("ids") }

func (m *message) has(name string) bool { return m.Get(name).Type != gjson.Null }

// ids returns the ids that the message names: one, several, or nil if it names none.
func (m *message) ids() (ids []string, single bool, err error) {
	switch {
	case m.has("id"):
		id := idOf(m.Get("id"))
		if id == "" {
			return nil, false, noItem(m.Get("id").Raw)
		}
		return []string{id}, true, nil
	case m.has("ids"):
		ids, err = idsOf(m.Get("ids"))
	}
	return ids, false, err
}
