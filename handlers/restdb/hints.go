package restdb

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// defaultLimit is the most documents in a list if the request sets no maximum.
const defaultLimit = 1000

// maxNumber bounds the values of max and skip. The store limits how far a list reaches.
const maxNumber = 1_000_000_000

// metafields are the fields that a list shows only on request.
var metafields = []string{"_created", "_changed", "_createdby", "_changedby", "_version"}

// selection is the parsed request for a list.
type selection struct {
	condition  *query.Condition // nil: all
	order      query.Order      // none: by _id
	skip, max  int
	bounded    bool             // the request set max
	projection query.Projection // for documents; it hides no figures
	groupBy    []query.Field
	aggregates []query.Aggregate
	totals     bool // the answer has the page's position after the documents
	count      bool // with totals: the answer has the number of documents, but no documents
}

// hints are the values of h and of the plain parameters, before they are combined.
type hints struct {
	selection
	metafields bool
	show, hide []string
	noID       bool
}

// parseSelection reads the parameters of a list. Hints override plain parameters, as in RestDB. It ignores unknown
// parameters, because other code reads some of them.
func parseSelection(values url.Values) (*selection, error) {
	for _, name := range []string{"q", "h", "filter", "max", "skip"} {
		if n := len(values[name]); n > 1 {
			return nil, query.Refuse(query.BadValue, "%s is given %d times: send it once", name, n)
		}
	}
	h := &hints{}
	h.max = defaultLimit
	if err := h.readPlain(values); err != nil {
		return nil, err
	}
	if err := h.readHints(values.Get("h")); err != nil {
		return nil, err
	}
	if err := h.order.Check(); err != nil {
		return nil, err
	}
	if _, err := query.NewAggregation(h.groupBy, h.aggregates); err != nil {
		return nil, err
	}
	if err := h.project(); err != nil {
		return nil, err
	}
	n, err := parseQ(values.Get("q"))
	if err != nil {
		return nil, err
	}
	if text := values.Get("filter"); text != "" {
		n = allOf([]query.Node{n, {Op: query.Search, Values: []gjson.Result{query.String(text)}}})
	}
	if n.Op != query.And || len(n.Nodes) > 0 { // no condition means all documents; the store counts those without reading them
		h.condition, err = query.Compile(n)
	}
	return &h.selection, err
}

func (h *hints) readPlain(values url.Values) error {
	for _, n := range []struct {
		name string
		to   *int
	}{{"max", &h.max}, {"skip", &h.skip}} {
		if text := values.Get(n.name); text != "" {
			var err error
			if *n.to, err = readCount(n.name, text); err != nil {
				return err
			}
			h.bounded = h.bounded || n.name == "max"
		}
	}
	dirs := split(values["dir"]...)
	for i, name := range split(values["sort"]...) {
		dir := "1"
		if i < len(dirs) {
			dir = dirs[i]
		}
		if err := h.sort(name, dir); err != nil {
			return err
		}
	}
	for _, name := range split(values["groupby"]...) {
		if err := h.group(name); err != nil {
			return err
		}
	}
	for _, text := range split(values["aggregate"]...) {
		if err := h.aggregate(text); err != nil {
			return err
		}
	}
	h.metafields = values.Get("metafields") == "true"
	h.totals = values.Get("totals") == "true"
	h.count = h.totals && values.Get("count") == "true"
	return nil
}

// split returns the names in texts. A text can have several names, separated by commas.
func split(texts ...string) (names []string) {
	for _, text := range texts {
		for name := range strings.SplitSeq(text, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// readCount reads a number of documents.
func readCount(name, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > maxNumber {
		return 0, query.Refuse(query.BadValue, "%s is %.40s: it must be a whole number from 0 to %d", name, text, maxNumber)
	}
	return int(n), nil
}

func (h *hints) sort(name, dir string) error {
	f, err := query.ParsePath(name)
	if err != nil {
		return err
	}
	if dir != "1" && dir != "-1" {
		return query.Refuse(query.BadValue, "the direction of %s is %.40q: it is 1 (ascending) or -1 (descending)", f, dir)
	}
	h.order = append(h.order, query.Term{Field: f, Descending: dir == "-1"})
	return nil
}

func (h *hints) group(name string) error {
	if strings.HasPrefix(name, "$") {
		return query.Refuse(query.BadName, "grouping by parts of dates such as %.40q is not supported: group by a field", name)
	}
	if len(h.groupBy) == query.MaxDepth {
		return query.Refuse(query.TooMany, "there are more than %d fields to group by: each nests the answer one level deeper", query.MaxDepth)
	}
	f, err := query.ParsePath(name)
	h.groupBy = append(h.groupBy, f)
	return err
}

var functions = map[string]query.Func{"COUNT": query.Count, "SUM": query.Sum, "AVG": query.Avg, "MIN": query.Min, "MAX": query.Max}

// aggregate reads FUNCTION:field. The name of the figure in the answer is "FUNCTION field". COUNT counts documents, so its
// field is only a part of the name.
func (h *hints) aggregate(text string) error {
	name, of, _ := strings.Cut(text, ":")
	name = strings.ToUpper(strings.TrimSpace(name))
	fn, ok := functions[name]
	if !ok {
		names := strings.Join(slices.Sorted(maps.Keys(functions)), " ")
		return query.Refuse(query.BadName, "there is no function %.40q: there are %s, such as SUM:score", name, names)
	}
	a := query.Aggregate{Func: fn, As: name + " " + of}
	if fn != query.Count {
		var err error
		if a.Field, err = query.ParsePath(of); err != nil {
			return err
		}
	}
	h.aggregates = append(h.aggregates, a)
	return nil
}

// readHints reads h.
func (h *hints) readHints(text string) error {
	v, err := parseObject("parameter h", text)
	if err != nil {
		return err
	}
	v.ForEach(func(key, e gjson.Result) bool {
		switch key.Str {
		case "$max":
			h.max, err = readCount("$max", spelled(e))
			h.bounded = true
		case "$skip":
			h.skip, err = readCount("$skip", spelled(e))
		case "$orderby":
			h.order = nil
			err = h.readOrder(e)
		case "$fields":
			err = h.readFields(e)
		case "$groupby":
			h.groupBy = nil
			err = eachString("$groupby", e, h.group)
		case "$aggregate":
			h.aggregates = nil
			err = eachString("$aggregate", e, h.aggregate)
		default:
			err = query.Refuse(query.BadName, "there is no hint %.40q: there are $max $skip $orderby $fields $groupby $aggregate", key.Str)
		}
		return err == nil
	})
	return err
}

// spelled returns the text of a number, which may be in a string.
func spelled(v gjson.Result) string {
	if v.Type == gjson.String && v.Str != "" {
		return v.Str
	}
	return v.Raw
}

// eachString calls f with each string of a list, or with each name in a string.
func eachString(name string, v gjson.Result, f func(string) error) error {
	var err error
	if v.Type == gjson.String {
		for _, one := range split(v.Str) {
			if err = f(one); err != nil {
				return err
			}
		}
		return nil
	}
	each := func(_, e gjson.Result) bool {
		if e.Type != gjson.String {
			err = query.Refuse(query.BadValue, "%s holds %s: it takes a string or a list of strings", name, query.KindOf(e))
		} else {
			err = f(e.Str)
		}
		return err == nil
	}
	if v.IsArray() {
		v.ForEach(each)
	} else {
		each(v, v)
	}
	return err
}

// readOrder reads {"age":-1,"name":1}, a name, or a list of these.
func (h *hints) readOrder(v gjson.Result) error {
	var err error
	switch {
	case v.IsObject():
		v.ForEach(func(key, e gjson.Result) bool {
			err = h.sort(key.Str, spelled(e))
			return err == nil
		})
	case v.Type == gjson.String:
		for _, name := range split(v.Str) {
			if err = h.sort(name, "1"); err != nil {
				return err
			}
		}
	case v.IsArray():
		v.ForEach(func(_, e gjson.Result) bool {
			switch {
			case e.IsArray():
				err = query.Refuse(query.BadValue, "$orderby has a list within a list")
			case e.Type == gjson.String:
				err = h.sort(e.Str, "1")
			default:
				err = h.readOrder(e)
			}
			return err == nil
		})
	default:
		err = query.Refuse(query.BadValue, `$orderby is %s: it takes an object such as {"age":-1}`, query.KindOf(v))
	}
	return err
}

// readFields reads {"name":1}, {"name":0} or a list of names to show.
func (h *hints) readFields(v gjson.Result) error {
	if !v.IsObject() {
		return eachString("$fields", v, func(name string) error {
			h.show = append(h.show, name)
			return nil
		})
	}
	var err error
	v.ForEach(func(key, e gjson.Result) bool {
		switch on := e.Bool(); {
		case !e.IsBool() && e.Type != gjson.Number:
			err = query.Refuse(query.BadValue, "$fields has %s for %.40q: 1 shows a field, 0 hides it", query.KindOf(e), key.Str)
		case on:
			h.show = append(h.show, key.Str)
		case key.Str == "_id":
			h.noID = true
		default:
			h.hide = append(h.hide, key.Str)
		}
		return err == nil
	})
	return err
}

// project makes the projection. It shows the id unless the client hides _id by name.
func (h *hints) project() error {
	var err error
	switch {
	case len(h.show) > 0 && len(h.hide) > 0:
		return query.Refuse(query.BadValue, "$fields both shows and hides: give either names with 1 or names with 0")
	case len(h.show) > 0:
		show := slices.Clone(h.show)
		if !h.noID {
			show = append(show, "_id")
		}
		if h.metafields {
			show = append(show, metafields...)
		}
		h.projection, err = query.Show(show...)
		return err
	}
	hide := slices.Clone(h.hide)
	if h.noID {
		hide = append(hide, "_id")
	}
	if !h.metafields {
		hide = append(hide, metafields...)
	}
	if len(hide) > 0 {
		h.projection, err = query.Hide(hide...)
	}
	return err
}
