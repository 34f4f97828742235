package directus

import (
	"context"
	"net/http"
	"slices"

	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/broker"
	"sluice/broker/channel"
	"sluice/broker/eventlog"
)

// maxSubscriptions is how many a connection has.
const maxSubscriptions = 100

// subscription is one of a connection's: a cursor on the log.
type subscription struct {
	uid        string // as a JSON string; "" without
	collection string
	event      string // only these, if any
	feed       *feed
	channels   channel.Set
	sub        *broker.Subscriber

	own     broker.Block
	block   *broker.Block // being handed out
	rest    []byte        // of it
	told    uint64        // the last change that was handed out
	waiting bool          // it is among the connection's waiting
}

// events are what a subscription can be narrowed to, and the methods whose events they are.
var events = []struct{ name, method string }{
	{"create", http.MethodPost}, {"update", http.MethodPut}, {"delete", http.MethodDelete},
}

// heard are the channels of a subscription that a credential may hear; none, if it may not have it.
func heard(who *auth.Identity, collection, event string) channel.Set {
	var patterns []channel.Pattern
	for _, e := range events {
		if event != "" && event != e.name {
			continue
		}
		if p, err := channel.Parse(e.method + ":" + collection); err == nil && who.Sub.Match(channel.Of("", e.method, collection)) {
			patterns = append(patterns, p)
		}
	}
	return channel.NewSet(patterns...)
}

// subscribe begins a subscription: what there is now first, and what follows that.
func (c *conn) subscribe(ctx context.Context, m *message) error {
	one := &subscription{uid: asString(m.uid)}
	var err error
	if one.collection, err = m.text("collection"); err != nil {
		return err
	}
	if v := m.Get("event"); v.Type != gjson.Null {
		one.event = v.Str
		if !slices.ContainsFunc(events, func(e struct{ name, method string }) bool { return e.name == v.Str }) {
			return badPayload(`an "event" is create, update or delete`)
		}
	}
	by := c.caller(ctx, one.collection)
	if err := by.reach(read); err != nil {
		return err
	}
	if one.channels = heard(c.who, one.collection, one.event); one.channels.Empty() {
		return forbidden(`this credential may not hear of these changes: its "sub" has none of POST:%s, PUT:%s and DELETE:%s that is asked for`, one.collection, one.collection, one.collection)
	}
	item := ""
	if v := m.Get("item"); v.Type != gjson.Null {
		if item = idOf(v); item == "" {
			return noItem(v.Raw)
		}
	}
	q, err := queryIn(m.Get("query"))
	if err != nil {
		return err
	}
	init := &found{position: c.h.o.Broker.Log().Settled()}
	switch {
	case one.event != "": // it is confirmed only
	case item != "":
		init, err = by.one(item, q)
	default:
		init, err = by.list(q)
	}
	if err != nil {
		return err
	}
	old := c.byUID(one.uid)
	if old == nil && len(c.subs) >= maxSubscriptions {
		return fail(http.StatusForbidden, codeLimit, "a connection has at most %d subscriptions: end one", maxSubscriptions)
	}
	one.feed = c.h.feeds.use(keyOf(m.Get("query"), q, item), q)
	if err := c.begin(one, init.position); err != nil {
		return err
	}
	if old != nil {
		c.end(old)
	}
	return c.send(appendUID(appendInit(init), one.uid))
}

func appendInit(f *found) []byte {
	dst := []byte(`{"type":"subscription","event":"init"`)
	if f.data != nil {
		dst = append(append(dst, `,"data":`...), f.data...)
	}
	if f.meta != nil {
		dst = append(append(dst, `,"meta":`...), f.meta...)
	}
	return dst
}

// begin makes the cursor of a subscription, behind a position. Where it cannot, the feed is given back.
func (c *conn) begin(one *subscription, position uint64) (err error) {
	one.sub, err = c.h.o.Broker.Subscribe(broker.Filter{
		Channels: one.channels, Encoder: c.h.changes, Start: &eventlog.Start{After: position},
	}, c.group)
	if err != nil {
		c.h.feeds.drop(one.feed)
		return err
	}
	c.subs[one.sub] = one
	c.wait(one)
	return nil
}

// end ends a subscription.
func (c *conn) end(one *subscription) {
	one.sub.Close()
	delete(c.subs, one.sub)
	c.waiting = slices.DeleteFunc(c.waiting, func(w *subscription) bool { return w == one })
	c.h.feeds.drop(one.feed)
}

// byUID is the subscription with a uid; those without one are nobody's.
func (c *conn) byUID(uid string) *subscription {
	for _, one := range c.subs {
		if uid != "" && one.uid == uid {
			return one
		}
	}
	return nil
}

// unsubscribe ends one subscription, or all.
func (c *conn) unsubscribe(m *message) error {
	uid := asString(m.uid)
	for _, one := range c.subs {
		if uid == "" || one.uid == uid {
			c.end(one)
		}
	}
	return c.send(appendUID([]byte(`{"type":"subscription","event":"unsubscribe"`), uid))
}

// regrant holds the subscriptions against what the connection may do now. Those that it may have go on where they
// are, and no change is missed; others end, which is told.
func (c *conn) regrant(ctx context.Context) error {
	for _, one := range c.subs {
		var now channel.Set
		err := c.caller(ctx, one.collection).reach(read)
		if err == nil {
			now = heard(c.who, one.collection, one.event)
			if now.String() == one.channels.String() {
				continue
			}
		}
		position := max(one.told, one.sub.Position())
		feed := c.h.feeds.use(one.feed.key, one.feed.query)
		c.end(one)
		if !now.Empty() {
			if err := c.begin(&subscription{uid: one.uid, collection: one.collection, event: one.event, feed: feed, channels: now}, position); err != nil {
				return err
			}
			continue
		}
		c.h.feeds.drop(feed)
		if err == nil {
			err = forbidden("this credential may not hear of these changes")
		}
		if err := c.fail(typeSubscribe, err, one.uid); err != nil {
			return err
		}
	}
	return nil
}
