package directus

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// queryParameters are the URL parameters that form the query object. The others belong to the request.
var queryParameters = []string{"fields", "filter", "sort", "limit", "offset", "page", "search", "meta", "aggregate", "groupBy", "alias", "deep"}

// parseURL parses the query object in a URL's parameters. It accepts the SDK's spelling, and brackets as people write
// them by hand: filter[age][_gt]=3 and fields[]=name.
func parseURL(values url.Values, at time.Time) (*itemsQuery, error) {
	v, err := objectOf(values)
	if err != nil {
		return nil, err
	}
	return readQuery(v, at)
}

// objectOf makes a query object of parameters. All its values are strings.
func objectOf(values url.Values) (gjson.Result, error) {
	none := gjson.Result{}
	tree := branch{}
	size := 0
	for _, key := range slices.Sorted(maps.Keys(values)) {
		name, rest, _ := strings.Cut(key, "[")
		if !slices.Contains(queryParameters, name) {
			continue
		}
		path, err := brackets(key, name, rest)
		if err != nil {
			return none, err
		}
		for _, v := range values[key] {
			if size += len(key) + len(v); size > query.MaxText {
				return none, query.Refuse(query.TooLong, "the query has more than %d bytes: ask in several queries", query.MaxText)
			}
			if !tree.put(path, v) {
				return none, query.Refuse(query.BadSyntax, "parameter %.80s is given twice: as a value and with brackets", key)
			}
		}
	}
	text, err := json.Marshal(tree.value())
	return gjson.ParseBytes(text), err
}

// brackets splits a key such as filter[a][b] into filter, a and b. name is the text before the first bracket, rest the
// text after it.
func brackets(key, name, rest string) ([]string, error) {
	path := []string{name}
	if len(key) == len(name) {
		return path, nil
	}
	inner, ok := strings.CutSuffix(rest, "]")
	path = append(path, strings.Split(inner, "][")...)
	if !ok || strings.ContainsAny(strings.Join(path, ""), "[]") || len(path) > 4*query.MaxDepth {
		return nil, query.Refuse(query.BadSyntax, "the brackets of parameter %.80s do not fit: write filter[age][_gt]=3", key)
	}
	return path, nil
}

// branch is an object or a list under construction: its values by name or number.
type branch map[string]any

// put sets the value at a path. An empty name, as in fields[], appends to a list. A second value for a name makes a
// list of both. put returns false if a name would have both a value and a branch.
func (b branch) put(path []string, v string) bool {
	name := path[0]
	if name == "" {
		name = strconv.Itoa(len(b))
	}
	old, there := b[name]
	if len(path) > 1 {
		if !there {
			old = branch{}
			b[name] = old
		}
		next, ok := old.(branch)
		return ok && next.put(path[1:], v)
	}
	switch old := old.(type) {
	case nil:
		b[name] = v
	case string:
		b[name] = []string{old, v}
	case []string:
		b[name] = append(old, v)
	default:
		return false
	}
	return true
}

// value returns the branch in the form that becomes JSON: a list, in the order of its numbers, if all names are
// numbers, else an object.
func (b branch) value() any {
	type entry struct {
		at int
		v  any
	}
	var list []entry
	object := map[string]any{}
	for name, v := range b {
		if below, ok := v.(branch); ok {
			v = below.value()
		}
		object[name] = v
		if at, err := strconv.Atoi(name); err == nil && at >= 0 {
			list = append(list, entry{at, v})
		}
	}
	if len(list) < len(b) || len(b) == 0 {
		return object
	}
	slices.SortFunc(list, func(x, y entry) int { return x.at - y.at })
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = e.v
	}
	return out
}
