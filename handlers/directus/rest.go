package directus

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/tidwall/gjson"

	"sluice/handlers/body"
	"sluice/handlers/pathparam"
)

// answer sends the result of a read.
func (c *call) answer(f *found) error {
	text := append([]byte(`{"data":`), f.data...)
	if f.meta != nil {
		text = append(append(text, `,"meta":`...), f.meta...)
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return body.JSON(c, http.StatusOK, append(text, '}'))
}

// changed answers a change with the new state of the items. A client that may not read them gets no content.
func (c *call) changed(texts [][]byte, single bool, err error) error {
	if err != nil {
		return err
	}
	if !c.may(read) {
		return c.NoContent(http.StatusNoContent)
	}
	q, err := c.query()
	if err != nil {
		return err
	}
	if single {
		return c.answer(&found{data: q.show(nil, texts[0])})
	}
	return c.answer(&found{data: q.appendList(nil, texts)})
}

// query parses the query in the URL. It must ask for items, not for figures of groups.
func (c *call) query() (*itemsQuery, error) {
	q, err := parseURL(c.QueryParams(), time.Now())
	if err == nil {
		err = q.plain()
	}
	return q, err
}

// queryIn parses the query in a body.
func queryIn(v gjson.Result) (*itemsQuery, error) { return parseQuery(v.Raw, time.Now()) }

func (h *Handler) listItems(c *call) error {
	q, err := parseURL(c.QueryParams(), time.Now())
	if err != nil {
		return err
	}
	return c.listed(c.list(q))
}

func (c *call) listed(f *found, err error) error {
	if err != nil {
		return err
	}
	return c.answer(f)
}

// searchItems lists items by a query or by ids in the body, where there is room for long ones.
func (h *Handler) searchItems(c *call) error {
	v, err := h.body(c)
	if err != nil {
		return err
	}
	q, err := queryIn(v.Get("query"))
	if err != nil {
		return err
	}
	if keys := v.Get("keys"); keys.Exists() {
		ids, err := idsOf(keys)
		if err != nil {
			return err
		}
		return c.listed(c.some(ids, q))
	}
	return c.listed(c.list(q))
}

func (h *Handler) readItem(c *call) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	return c.listed(c.one(pathparam.Get(c, paramID), q))
}

func (h *Handler) createItems(c *call) error {
	v, err := h.body(c)
	if err != nil {
		return err
	}
	if _, err := c.query(); err != nil { // a wrong query must create nothing
		return err
	}
	if !v.Exists() {
		return badPayload("there is no body: send an item, or an array of them")
	}
	texts, single, err := c.create(v)
	return c.changed(texts, single, err)
}

// updateItems changes several items. The body names their ids, has a query that selects them, or is an array of items
// with ids and their own changes.
func (h *Handler) updateItems(c *call) error {
	v, err := h.body(c)
	if err != nil {
		return err
	}
	if _, err := c.query(); err != nil {
		return err
	}
	var texts [][]byte
	switch keys, by := v.Get("keys"), v.Get("query"); {
	case v.IsArray():
		texts, err = c.updateEach(v)
	case keys.Exists():
		var ids []string
		if ids, err = idsOf(keys); err == nil {
			texts, err = c.update(ids, false, v.Get("data"))
		}
	case by.IsObject():
		var ids []string
		if ids, err = c.selectedBy(update, by); err == nil {
			texts, err = c.update(ids, true, v.Get("data"))
		}
	default:
		err = badPayload(`the body must be {"keys":[…],"data":{…}}, {"query":{…},"data":{…}} or an array of items with their ids`)
	}
	return c.changed(texts, false, err)
}

// selectedBy returns the ids of the items that a JSON query selects.
func (c *caller) selectedBy(method string, by gjson.Result) ([]string, error) {
	q, err := queryIn(by)
	if err != nil {
		return nil, err
	}
	return c.selected(method, q)
}

func (h *Handler) updateItem(c *call) error {
	v, err := h.body(c)
	if err != nil {
		return err
	}
	if _, err := c.query(); err != nil {
		return err
	}
	texts, err := c.update([]string{pathparam.Get(c, paramID)}, false, v)
	return c.changed(texts, true, err)
}

// deleteItems deletes several items: by their ids, or by a query.
func (h *Handler) deleteItems(c *call) error {
	v, err := h.body(c)
	if err != nil {
		return err
	}
	var ids []string
	lenient := false
	switch keys, by := v.Get("keys"), v.Get("query"); {
	case v.IsArray():
		ids, err = idsOf(v)
	case keys.Exists():
		ids, err = idsOf(keys)
	case by.IsObject():
		lenient = true
		ids, err = c.selectedBy(remove, by)
	default:
		err = badPayload(`the body must be {"keys":[…]}, {"query":{…}} or an array of ids`)
	}
	if err != nil {
		return err
	}
	return c.removed(c.remove(ids, lenient))
}

// removed answers without a body and without a Content-Type. If it found a Content-Type, the SDK would read a body.
func (c *call) removed(_ []string, err error) error {
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h *Handler) deleteItem(c *call) error {
	return c.removed(c.remove([]string{pathparam.Get(c, paramID)}, false))
}
