package directus

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/documents"
	"sluice/store/documents/query"
)

// maxChangeItems is the most items that one request may change. One commit has all changes, so this is the store's bound.
const maxChangeItems = 1000

// The methods that permissions name.
const (
	read   = http.MethodGet
	create = http.MethodPost
	update = http.MethodPatch
	remove = http.MethodDelete
)

// caller is the client of a request to a collection, over the socket or by REST.
type caller struct {
	h          *Handler
	ctx        context.Context // it lives as long as the request
	who        *auth.Identity  // nil: not authenticated
	collection string
}

// may reports whether the caller has a permission.
func (c *caller) may(method string) bool {
	return c.who != nil && c.who.Rest.Match(channel.Of("", method, c.collection))
}

// need refuses a caller that lacks a permission. The permission may have ended while the body arrived.
func (c *caller) need(method string) error {
	switch {
	case strings.HasPrefix(c.collection, "directus_"):
		return forbidden("there are no system collections here: %.40q", c.collection)
	case documents.CheckCollection(c.collection) != nil:
		return forbidden("%v", documents.ErrCollection)
	case c.who == nil:
		return forbidden("no credential: send an API key or a token as Authorization: Bearer")
	}
	over := c.who.Over(time.Now())
	switch {
	case over != nil:
		return over
	case !c.may(method):
		return forbidden(`this credential has no permission %s:%s (in its "rest")`, method, c.collection)
	}
	return nil
}

// change charges the caller for n changes and makes them, unless the gateway drains.
func (c *caller) change(method string, n int, f func() error) error {
	if err := c.need(method); err != nil {
		return err
	}
	if n > maxChangeItems {
		return tooMany(n)
	}
	if !c.h.o.Traffic.EnterPublish() {
		return traffic.ErrDraining()
	}
	defer c.h.o.Traffic.LeavePublish()
	if ok, wait := c.who.Take(time.Now(), n); !ok {
		return httperr.OverRate("this key changes items faster than its rate allows", wait)
	}
	started := time.Now()
	err := f()
	outcome := "ok"
	if err != nil {
		outcome, n = httperr.From(err).Code, 0
	}
	c.h.o.Traffic.Published(outcome, n, time.Since(started))
	return err
}

func tooMany(n int) error {
	return httperr.New(http.StatusRequestEntityTooLarge, codeTooLarge, "one request changes at most %d items, not %d: send several", maxChangeItems, n)
}

// elements returns the elements of a client's array, or an error if one request may not change that many. It counts
// them first, since 1 MiB of [{},{},…] would take 100 MiB once each element is read.
func elements(array gjson.Result) ([]gjson.Result, error) {
	if n := length(array); n > maxChangeItems {
		return nil, tooMany(n)
	}
	return array.Array(), nil
}

// length returns the number of elements in an array.
func length(array gjson.Result) int {
	n := 0
	array.ForEach(func(_, _ gjson.Result) bool {
		n++
		return true
	})
	return n
}

// found is the result of a read, in JSON.
type found struct {
	data     []byte
	meta     []byte // nil if the query asks for no counts
	position uint64 // in the log: later changes are not in the result
}

// list reads the items, or the figures of groups, that a query asks for.
func (c *caller) list(q *itemsQuery) (*found, error) {
	if err := c.need(read); err != nil {
		return nil, err
	}
	if q.grouping != nil {
		return c.aggregate(q)
	}
	r, err := c.h.o.Documents.Find(c.ctx, c.collection, &documents.Query{
		Where: q.condition, Order: q.order, Skip: q.offset, Limit: q.limit, Total: q.filtered,
	})
	if err != nil {
		return nil, err
	}
	f := &found{data: q.appendList(nil, r.Documents), position: r.Position}
	f.meta, err = c.meta(q, r.Total)
	return f, err
}

// meta returns the counts that a query asks for.
func (c *caller) meta(q *itemsQuery, filtered int64) ([]byte, error) {
	if !q.total && !q.filtered {
		return nil, nil
	}
	meta := []byte("{")
	if q.total {
		n := c.h.o.Documents.Count(c.collection)
		meta = strconv.AppendInt(append(meta, `"total_count":`...), n, 10)
	}
	if q.filtered {
		if q.total {
			meta = append(meta, ',')
		}
		meta = strconv.AppendInt(append(meta, `"filter_count":`...), filtered, 10)
	}
	return append(meta, '}'), nil
}

// some reads the items that a query selects among the given ids. It leaves out unknown ids.
func (c *caller) some(ids []string, q *itemsQuery) (*found, error) {
	if err := c.need(read); err != nil {
		return nil, err
	}
	if err := q.plain(); err != nil {
		return nil, err
	}
	r, err := c.chosen(ids, q)
	if err != nil {
		return nil, err
	}
	texts := r.Documents
	f := &found{data: q.appendList(nil, texts), position: r.Position}
	f.meta, err = c.meta(q, int64(len(texts)))
	return f, err
}

// chosen returns the documents that a query selects among the given ids, in the query's order. Pages and offsets are
// for lists, so chosen ignores them. It also ignores the default limit.
func (c *caller) chosen(ids []string, q *itemsQuery) (r *documents.Result, err error) {
	if q.condition == nil && len(q.order) == 0 {
		r, err = c.h.o.Documents.GetMany(c.ctx, c.collection, ids)
	} else {
		r, err = c.h.o.Documents.Choose(c.ctx, c.collection, ids, q.condition, q.order)
	}
	if err == nil && q.limited && q.limit >= 0 && len(r.Documents) > q.limit {
		r.Documents = r.Documents[:q.limit]
	}
	return r, err
}

// one reads an item.
func (c *caller) one(id string, q *itemsQuery) (*found, error) {
	if err := c.need(read); err != nil {
		return nil, err
	}
	if err := q.plain(); err != nil {
		return nil, err
	}
	r, err := c.chosen([]string{id}, q)
	if err != nil {
		return nil, err
	}
	if len(r.Documents) == 0 {
		return nil, noItem(id)
	}
	return &found{data: q.show(nil, r.Documents[0]), position: r.Position}, nil
}

func noItem(id string) error { return forbidden("there is no item %.40q, or it is not for you", id) }

// create makes one item, or one for each element of an array: all or none.
func (c *caller) create(data gjson.Result) (texts [][]byte, single bool, err error) {
	list := []gjson.Result{data}
	if single = !data.IsArray(); !single {
		if list, err = elements(data); err != nil {
			return nil, single, err
		}
	}
	docs := make([]documents.New, len(list))
	for i, v := range list {
		if docs[i], err = newItem(v); err != nil {
			return nil, single, err
		}
	}
	err = c.change(create, len(docs), func() (err error) {
		if len(docs) > 0 {
			texts, err = c.h.o.Documents.Insert(c.ctx, c.collection, c.who.Name, docs)
		}
		return err
	})
	return texts, single, err
}

// newItem parses an item to create. The item may contain its id.
func newItem(v gjson.Result) (documents.New, error) {
	f, err := itemFields(v)
	if err != nil {
		return documents.New{}, err
	}
	d := documents.New{Fields: f}
	if given := v.Get(fieldID); given.Exists() && given.Type != gjson.Null {
		if d.ID = idOf(given); d.ID == "" {
			return d, badPayload("%v; it is a string, or a number", documents.ErrID)
		}
	}
	return d, nil
}

// itemFields returns an item's own fields. It leaves out those that the server sets, since clients send whole items back.
func itemFields(v gjson.Result) (documents.Fields, error) {
	if !v.IsObject() {
		return documents.Fields{}, badPayload("an item is a JSON object, not %.40s", cmp.Or(v.Raw, "nothing"))
	}
	f, _, err := documents.ParseFields([]byte(v.Raw))
	f.Delete(fieldID)
	f.Delete(fieldCreated)
	return f, err
}

// update sets the same fields of several items, all or none. If lenient, it leaves out those that are gone.
func (c *caller) update(ids []string, lenient bool, data gjson.Result) ([][]byte, error) {
	f, err := itemFields(data)
	if err != nil {
		return nil, err
	}
	return c.merge(ids, lenient, func(string) documents.Fields { return f })
}

// updateEach sets fields of several items. Each element of the array has the id and the fields of one item.
func (c *caller) updateEach(array gjson.Result) ([][]byte, error) {
	data, err := elements(array)
	if err != nil {
		return nil, err
	}
	ids, fields := make([]string, len(data)), make(map[string]documents.Fields, len(data))
	for i, v := range data {
		f, err := itemFields(v)
		if err != nil {
			return nil, err
		}
		id := idOf(v.Get(fieldID))
		if id == "" {
			return nil, badPayload("item %d has no id", i)
		}
		if _, twice := fields[id]; twice {
			return nil, badPayload("item %.40q is given twice", id)
		}
		ids[i], fields[id] = id, f
	}
	return c.merge(ids, false, func(id string) documents.Fields { return fields[id] })
}

func (c *caller) merge(ids []string, lenient bool, of func(id string) documents.Fields) (texts [][]byte, err error) {
	err = c.change(update, len(ids), func() (err error) {
		texts, err = c.h.o.Documents.Update(c.ctx, c.collection, c.who.Name, ids, lenient, func(id string, own *documents.Fields) error {
			own.Merge(of(id))
			return nil
		})
		return err
	})
	return texts, err
}

// remove deletes items, all or none, in one event, and returns their ids. If lenient, it leaves out those that are gone.
func (c *caller) remove(ids []string, lenient bool) (gone []string, err error) {
	err = c.change(remove, len(ids), func() (err error) {
		gone, err = c.h.o.Documents.Remove(c.ctx, c.collection, ids, lenient)
		return err
	})
	return gone, err
}

// selected returns the ids of the items that a query selects for a change. All changes are in one commit, which bounds
// their number. Without a limit in the query, selected returns all items, not the usual number.
func (c *caller) selected(method string, q *itemsQuery) ([]string, error) {
	for _, m := range []string{method, read} { // a filter shows what the items contain
		if err := c.need(m); err != nil {
			return nil, err
		}
	}
	if err := q.plain(); err != nil {
		return nil, err
	}
	if q.emptyOr { // a client's list that happens to be empty must not delete everything
		return nil, query.Refuse(query.BadValue, "the filter has an empty _or, which selects everything: leave it out to change all items")
	}
	limit := maxChangeItems + 1
	if q.limited && q.limit >= 0 {
		limit = min(limit, q.limit)
	}
	r, err := c.h.o.Documents.Find(c.ctx, c.collection, &documents.Query{Where: q.condition, Order: q.order, Skip: q.offset, Limit: limit})
	if err != nil {
		return nil, err
	}
	if len(r.Documents) > maxChangeItems {
		return nil, httperr.New(http.StatusBadRequest, codeQuery,
			"the query selects more than %d items, the most that one request changes: give it a limit, and repeat the request until nothing is left", maxChangeItems)
	}
	ids := make([]string, len(r.Documents))
	for i, text := range r.Documents {
		ids[i] = documents.ID(text)
	}
	return ids, nil
}

// idsOf parses a list of ids and drops repeated ones.
func idsOf(v gjson.Result) ([]string, error) {
	if !v.IsArray() {
		return nil, badPayload("the ids must be an array of strings or numbers")
	}
	if n := length(v); n > maxChangeItems {
		return nil, badPayload("there are %d ids: at most %d are allowed, send several requests", n, maxChangeItems)
	}
	list := v.Array()
	ids, seen := make([]string, 0, len(list)), make(map[string]bool, len(list))
	for _, e := range list {
		id := idOf(e)
		if id == "" {
			return nil, noItem(e.Raw)
		}
		if !seen[id] {
			ids, seen[id] = append(ids, id), true
		}
	}
	return slices.Clip(ids), nil
}
