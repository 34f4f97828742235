package directus

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// defaultLimit is the limit of a query that sets none. noLimit means all items.
const (
	defaultLimit = 100
	noLimit      = -1
)

// maxNumber bounds the numbers in a query that count items. The store has its own bound for lists.
const maxNumber = 1_000_000_000

// itemsQuery is a parsed query object.
type itemsQuery struct {
	condition  *query.Condition
	order      query.Order // empty: sorted by id
	projection query.Projection
	limit      int  // or noLimit
	limited    bool // the query sets the limit
	offset     int  // page sets it too
	total      bool
	filtered   bool // meta asks for filter_count; total: for total_count
	emptyOr    bool // the filter has an _or without filters, which is ignored
	grouping   *grouping
}

// size estimates the memory of the query, in bytes.
func (q *itemsQuery) size() int64 {
	return int64(unsafe.Sizeof(*q)) + q.condition.Size() + q.order.Size() + q.projection.Size()
}

// parseQuery parses a query object in JSON, from a socket or a SEARCH request. A value may be JSON, or a string in the
// spelling of URLs. An empty text or null selects everything.
func parseQuery(text string, at time.Time) (*itemsQuery, error) {
	if strings.TrimSpace(text) == "null" {
		text = ""
	}
	v, err := query.ParseObject("the query", text)
	if err != nil {
		return nil, err
	}
	return readQuery(v, at)
}

func readQuery(v gjson.Result, at time.Time) (*itemsQuery, error) {
	q := &itemsQuery{limit: defaultLimit}
	var paths []string
	var node query.Node
	page := 1
	var err error
	search := ""
	var g grouping
	v.ForEach(func(key, e gjson.Result) bool {
		if e.Type == gjson.Null || e.Type == gjson.String && e.Str == "" {
			return true // the same as a missing parameter
		}
		switch key.Str {
		case "fields":
			paths, err = readFields("", e, 1)
		case "filter":
			f := &filterReader{now: at}
			node, err = f.read(e)
			q.emptyOr = f.emptyOr
		case "sort":
			err = q.readSort(e)
		case "limit":
			q.limited = true
			q.limit, err = wholeNumber("limit", e, noLimit)
		case "offset":
			q.offset, err = wholeNumber("offset", e, 0)
		case "page":
			page, err = wholeNumber("page", e, 0) // 0 is the first page, as 1 is
		case "search":
			search = spelled(e)
		case "meta":
			err = q.readMeta(e)
		case "aggregate":
			err = g.readAggregate(e)
		case "groupBy":
			err = g.readGroupBy(e)
		case "alias", "deep":
			if len(e.Raw) > len("{}") {
				err = query.Refuse(query.BadName, "%s is not supported: leave it out of the query", key.Str)
			}
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	if !g.empty() {
		q.grouping = &g
		if err := g.sortBy(q.order); err != nil {
			return nil, err
		}
	}
	if page > 1 && q.limit > 0 {
		q.offset = min((page-1)*q.limit, maxNumber)
	}
	if q.projection, err = projectionOf(paths); err != nil {
		return nil, err
	}
	if search != "" {
		node = query.Node{Op: query.And, Nodes: []query.Node{node, {Op: query.Search, Values: []gjson.Result{query.String(search)}}}}
	}
	q.condition, err = query.Compile(node)
	return q, err
}

// spelled returns a value in the spelling of URLs.
func spelled(v gjson.Result) string {
	if v.Type == gjson.String {
		return v.Str
	}
	return v.Raw
}

// wholeNumber parses a whole number, or a string that contains one.
func wholeNumber(name string, v gjson.Result, least int) (int, error) {
	n, err := strconv.Atoi(spelled(v))
	if err != nil || n < least || n > maxNumber {
		return 0, query.Refuse(query.BadValue, "%s is %.40s: it must be a whole number from %d to %d", name, v.Raw, least, maxNumber)
	}
	return n, nil
}

// nameList parses a list of names: a string with commas, or an array of such strings.
func nameList(what string, v gjson.Result) ([]string, error) {
	if v.Type == gjson.String {
		var out []string
		for name := range strings.SplitSeq(v.Str, ",") {
			if name = strings.TrimSpace(name); name != "" {
				out = append(out, name)
			}
		}
		return out, nil
	}
	if !v.IsArray() {
		return nil, query.Refuse(query.BadValue, "%s is %s: it takes a list of names, or a string of them with commas", what, query.KindOf(v))
	}
	var out []string
	for _, e := range v.Array() {
		if e.Type != gjson.String {
			return nil, query.Refuse(query.BadValue, "%s holds %s: it takes a list of names", what, query.KindOf(e))
		}
		some, _ := nameList(what, e)
		out = append(out, some...)
	}
	return out, nil
}

func (q *itemsQuery) readSort(v gjson.Result) error {
	list, err := nameList("sort", v)
	for _, name := range list {
		name, descending := strings.CutPrefix(name, "-")
		f, err := parseField(name)
		if err != nil {
			return err
		}
		q.order = append(q.order, query.Term{Field: f, Descending: descending, Rules: query.SQL})
	}
	if err == nil {
		err = q.order.Check()
	}
	return err
}

// readMeta parses the list of counts to return. These two are all that exist; it ignores other names.
func (q *itemsQuery) readMeta(v gjson.Result) error {
	list, err := nameList("meta", v)
	q.total = slices.Contains(list, "*") || slices.Contains(list, "total_count")
	q.filtered = slices.Contains(list, "*") || slices.Contains(list, "filter_count")
	return err
}

// readFields returns the paths of the fields that v names below path. The SDK's nesting, {"user":["name"]}, means
// user.name.
func readFields(path string, v gjson.Result, depth int) ([]string, error) {
	if err := query.CheckDepth(depth); err != nil {
		return nil, err
	}
	if v.Type == gjson.String {
		list, err := nameList("fields", v)
		for i, name := range list {
			list[i] = joinPath(path, name)
		}
		return list, err
	}
	if v.Type != gjson.JSON {
		return nil, query.Refuse(query.BadValue, "fields holds %s: it takes a list of names, or a string of them with commas", query.KindOf(v))
	}
	var out []string
	var err error
	v.ForEach(func(key, e gjson.Result) bool {
		below := path
		if v.IsObject() {
			below = joinPath(path, key.Str)
		}
		var some []string
		some, err = readFields(below, e, depth+1)
		out = append(out, some...)
		return err == nil
	})
	return out, err
}

// projectionOf makes a projection of the paths. Without paths it shows everything.
func projectionOf(paths []string) (query.Projection, error) {
	if len(paths) == 0 {
		return query.Projection{}, nil
	}
	for i, path := range paths {
		if _, err := parseField(path); err != nil {
			return query.Projection{}, err
		}
		paths[i] = storedName(path)
	}
	return query.Show(paths...)
}
