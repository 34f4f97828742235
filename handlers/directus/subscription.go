package directus

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// maxSubscriptions bounds the subscriptions of a connection.
const maxSubscriptions = 100

// subscription is one subscription of a connection: a cursor in the log.
type subscription struct {
	uid        string // as a JSON string; "" without
	collection string
	event      string // only these, if any
	scope      string // of the credential that it is charged to
	feed       *feed
	sub        *broker.Subscriber

	forView, forFeed share.Charge

	batch     *batch // being sent; nil: none
	delivered uint64 // the last change that was sent
	waiting   bool   // it is among the connection's waiting
}

// events are the kinds of event that a subscription can ask for alone, and the methods of these events.
var events = []struct{ name, method string }{
	{"create", http.MethodPost}, {"update", http.MethodPut}, {"delete", http.MethodDelete},
}

// permitted returns the channels of a subscription that a credential may subscribe to. There are none if it may not
// have the subscription at all.
func permitted(who *auth.Identity, collection, event string) channel.Set {
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

// subscribe begins a subscription: first the items as they are now, then their changes.
func (c *conn) subscribe(ctx context.Context, m *message) error {
	one := &subscription{uid: strings.Clone(asString(m.uid))} // a copy: a part of the message would retain all of it
	collection, err := m.text("collection")
	if err != nil {
		return err
	}
	one.collection = strings.Clone(collection)
	if v := m.Get("event"); v.Type != gjson.Null {
		one.event = strings.Clone(v.Str)
		if !slices.ContainsFunc(events, func(e struct{ name, method string }) bool { return e.name == v.Str }) {
			return badPayload(`"event" must be create, update or delete`)
		}
	}
	by := c.caller(ctx, one.collection)
	if err := by.reach(read); err != nil {
		return err
	}
	channels := permitted(c.who, one.collection, one.event)
	if channels.Empty() {
		return forbidden(`this credential may not subscribe to these changes: its "sub" needs POST:%s, PUT:%s or DELETE:%s, whichever is asked for`, one.collection, one.collection, one.collection)
	}
	item := ""
	if v := m.Get("item"); v.Type != gjson.Null {
		if item = idOf(v); item == "" {
			return noItem(v.Raw)
		}
	}
	at := time.Now()
	q, err := parseQuery(m.Get("query").Raw, at)
	if err == nil {
		err = q.plain()
	}
	if err != nil {
		return err
	}
	init := &found{position: c.h.o.Broker.Log().Settled()}
	switch {
	case one.event != "": // only a confirmation is sent
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
		return httperr.New(http.StatusForbidden, codeLimit, "a connection can have at most %d subscriptions: end one", maxSubscriptions)
	}
	r := requestOf(m.Get("query"), q, at, item)
	if err := c.begin(one, channels, &r, init.position); err != nil {
		return err
	}
	if old != nil {
		c.end(old)
	}
	c.sendLarge(appendUID(appendInit(init), one.uid))
	return nil
}

// appendInit makes the first message of a subscription, for sendLarge.
func appendInit(f *found) []byte {
	dst := make([]byte, maxHead, maxHead+len(f.data)+len(f.meta)+maxUID+64)
	dst = append(dst, `{"type":"subscription","event":"init"`...)
	if f.data != nil {
		dst = append(append(dst, `,"data":`...), f.data...)
	}
	if f.meta != nil {
		dst = append(append(dst, `,"meta":`...), f.meta...)
	}
	return dst
}

// begin charges a subscription to the connection's credential and makes its cursor, after a position.
func (c *conn) begin(one *subscription, channels channel.Set, r *request, position uint64) (err error) {
	filter := broker.Filter{
		Channels: channels, Encoder: c.h.changes, Start: &eventlog.Start{After: position}, Slot: c.lease.Slot(), Opened: true,
	}
	if err := c.takeMemory(one, &filter, r); err != nil {
		return err
	}
	if one.sub, err = c.h.o.Broker.Subscribe(filter, c.group); err != nil {
		c.giveMemory(one)
		return err
	}
	one.feed, one.scope = c.h.feeds.use(r), c.who.Scope
	one.sub.Spot = int32(len(c.subs))
	c.subs = append(c.subs, one)
	c.wait(one)
	return nil
}

// of returns the subscription of a subscriber; nil if it is over.
func (c *conn) of(sub *broker.Subscriber) *subscription {
	if at := int(sub.Spot); at < len(c.subs) && c.subs[at].sub == sub {
		return c.subs[at]
	}
	return nil
}

// subscriptionBytes is the memory of a subscription without its feed and its view.
const subscriptionBytes = 1536

// takeMemory charges a subscription's memory, or refuses the subscription.
func (c *conn) takeMemory(one *subscription, f *broker.Filter, r *request) (err error) {
	t := c.h.o.Traffic
	if err := c.account.Take(subscriptionBytes); err != nil {
		return err
	}
	if one.forView, err = t.HoldFilter(c.who.Scope, f, 0); err == nil {
		one.forFeed, err = t.Memory.TakeCommon(c.who.Scope, r.hash(), r.size)
	}
	if err != nil {
		c.giveMemory(one)
	}
	return err
}

func (c *conn) giveMemory(one *subscription) {
	one.forFeed.Release()
	one.forView.Release()
	c.account.Give(subscriptionBytes)
}

// end ends a subscription.
func (c *conn) end(one *subscription) {
	one.sub.Close()
	last := len(c.subs) - 1
	c.subs[one.sub.Spot] = c.subs[last]
	c.subs[one.sub.Spot].sub.Spot = one.sub.Spot
	c.subs[last] = nil
	c.subs = c.subs[:last]
	c.waiting = slices.DeleteFunc(c.waiting, func(w *subscription) bool { return w == one })
	c.h.feeds.drop(one.feed)
	c.giveMemory(one)
}

// again begins a subscription anew at its position, for the connection's current identity and channels.
func (c *conn) again(old *subscription, now channel.Set) error {
	r, position := old.feed.request, max(old.delivered, old.sub.Position())
	c.end(old)
	return c.begin(&subscription{uid: old.uid, collection: old.collection, event: old.event}, now, &r, position)
}

// byUID returns the subscription with a uid. Without a uid there is none.
func (c *conn) byUID(uid string) *subscription {
	for _, one := range c.subs {
		if uid != "" && one.uid == uid {
			return one
		}
	}
	return nil
}

// unsubscribe ends one subscription, or all.
func (c *conn) unsubscribe(m *message) {
	uid := asString(m.uid)
	for _, one := range slices.Clone(c.subs) { // end changes the order
		if uid == "" || one.uid == uid {
			c.end(one)
		}
	}
	c.send(appendUID([]byte(`{"type":"subscription","event":"unsubscribe"`), uid))
}

// regrant checks the subscriptions against the permissions of the current identity. Those that it may have go on at
// their positions and miss no change. The others end, with an error message.
func (c *conn) regrant(ctx context.Context) error {
	for _, one := range slices.Clone(c.subs) {
		var now channel.Set
		err := c.caller(ctx, one.collection).reach(read)
		if err == nil {
			if now = permitted(c.who, one.collection, one.event); now.Empty() {
				err = forbidden("this credential may not subscribe to these changes")
			}
		}
		if err == nil && one.scope == c.who.Scope && now.String() == one.sub.Channels().String() {
			continue
		}
		if err == nil {
			if err = c.again(one, now); err == nil {
				continue
			}
			if errors.Is(err, broker.ErrDraining) {
				return err
			}
		} else {
			c.end(one)
		}
		c.fail(typeSubscribe, err, one.uid)
	}
	return nil
}
