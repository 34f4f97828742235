package directus

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// filterOperators are Directus' comparisons. The Op decides whether a comparison takes one value, a list or none.
var filterOperators = map[string]query.Node{
	"_eq":            {Op: query.Eq},
	"_neq":           {Op: query.Eq, Negate: true},
	"_ieq":           {Op: query.Eq, Fold: true},
	"_nieq":          {Op: query.Eq, Fold: true, Negate: true},
	"_lt":            {Op: query.Lt},
	"_lte":           {Op: query.Lte},
	"_gt":            {Op: query.Gt},
	"_gte":           {Op: query.Gte},
	"_in":            {Op: query.In},
	"_nin":           {Op: query.In, Negate: true},
	"_between":       {Op: query.Between},
	"_nbetween":      {Op: query.Between, Negate: true},
	"_null":          {Op: query.Null},
	"_nnull":         {Op: query.Null, Negate: true},
	"_empty":         {Op: query.Empty},
	"_nempty":        {Op: query.Empty, Negate: true},
	"_contains":      {Op: query.Contains},
	"_ncontains":     {Op: query.Contains, Negate: true},
	"_icontains":     {Op: query.Contains, Fold: true},
	"_nicontains":    {Op: query.Contains, Fold: true, Negate: true},
	"_starts_with":   {Op: query.StartsWith},
	"_nstarts_with":  {Op: query.StartsWith, Negate: true},
	"_istarts_with":  {Op: query.StartsWith, Fold: true},
	"_nistarts_with": {Op: query.StartsWith, Fold: true, Negate: true},
	"_ends_with":     {Op: query.EndsWith},
	"_nends_with":    {Op: query.EndsWith, Negate: true},
	"_iends_with":    {Op: query.EndsWith, Fold: true},
	"_niends_with":   {Op: query.EndsWith, Fold: true, Negate: true},
}

// filterReader parses a filter. $NOW is the same moment in all of it.
type filterReader struct {
	now     time.Time
	emptyOr bool // the filter has an _or without filters
}

// read parses a filter, or a string that contains one.
func (f *filterReader) read(v gjson.Result) (query.Node, error) {
	if v.Type == gjson.String {
		var err error
		if v, err = query.ParseObject("the filter", v.Str); err != nil {
			return query.Node{}, err
		}
	}
	if !v.IsObject() {
		return query.Node{}, query.Refuse(query.BadSyntax, "the filter is %s: it must be an object, or a string that holds one", query.KindOf(v))
	}
	return f.group("", v, 1)
}

// group parses an object of fields, of operators on the field path, and of _and and _or. All of its conditions must be
// true.
func (f *filterReader) group(path string, v gjson.Result, depth int) (query.Node, error) {
	if err := query.CheckDepth(depth); err != nil {
		return query.Node{}, err
	}
	var out []query.Node
	var err error
	v.ForEach(func(key, e gjson.Result) bool {
		var n query.Node
		switch name := key.Str; {
		case name == "_and" || name == "_or":
			n, err = f.list(path, name, e, depth)
		case strings.HasPrefix(name, "_"):
			n, err = f.operator(path, name, e)
		default:
			n, err = f.field(joinPath(path, name), e, depth)
		}
		out = append(out, n)
		return err == nil
	})
	if len(out) == 1 {
		return out[0], err
	}
	return query.Node{Op: query.And, Nodes: out}, err
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// field parses the condition on a field: an object of operators or of the field's own fields, or a value to equal.
func (f *filterReader) field(path string, v gjson.Result, depth int) (query.Node, error) {
	if _, err := parseField(path); err != nil {
		return query.Node{}, err
	}
	switch {
	case v.IsObject():
		return f.group(path, v, depth+1)
	case v.IsArray():
		return query.Node{}, query.Refuse(query.BadValue, `field %s is compared with an array: write {"%s":{"_in":[…]}}`, path, path)
	}
	return f.operator(path, "_eq", v)
}

// parseField reads the path of a field as Directus names it.
func parseField(path string) (query.Field, error) {
	if strings.ContainsAny(path, "()") {
		return query.Field{}, query.Refuse(query.BadField, "functions of fields such as %.40q are not supported: name a field", path)
	}
	return query.ParseField(storedName(path))
}

// storedName returns the name of a field in the store.
func storedName(path string) string {
	switch path {
	case fieldID:
		return "_id"
	case fieldCreated:
		return "_created"
	}
	return path
}

func (f *filterReader) list(path, op string, v gjson.Result, depth int) (query.Node, error) {
	n := query.Node{Op: query.And}
	if op == "_or" {
		n.Op = query.Or
	}
	if !v.IsArray() {
		return n, query.Refuse(query.BadValue, `%s takes a list of filters, such as [{"status":{"_eq":"new"}}]`, op)
	}
	var err error
	v.ForEach(func(_, e gjson.Result) bool {
		if !e.IsObject() {
			err = query.Refuse(query.BadValue, "%s holds %s: it takes a list of objects", op, query.KindOf(e))
			return false
		}
		var kid query.Node
		kid, err = f.group(path, e, depth+1)
		if n.Op == query.And || !asksNothing(kid) || len(e.Raw) == len("{}") { // a filter {} in the list is always true
			n.Nodes = append(n.Nodes, kid)
		}
		return err == nil
	})
	if n.Op == query.Or && len(n.Nodes) == 0 { // Directus ignores such a list
		f.emptyOr = true
		return query.Node{Op: query.And}, err
	}
	return n, err
}

// asksNothing reports whether a filter has no conditions.
func asksNothing(n query.Node) bool { return n.Op == query.And && len(n.Nodes) == 0 }

func (f *filterReader) operator(path, name string, v gjson.Result) (query.Node, error) {
	n, ok := filterOperators[name]
	if !ok {
		return n, query.Refuse(query.BadName, "there is no operator %.40q: there are _and _or %s", name, strings.Join(slices.Sorted(maps.Keys(filterOperators)), " "))
	}
	if path == "" {
		return n, query.Refuse(query.BadSyntax, `%s needs a field: write {"name":{"%s":…}}`, name, name)
	}
	var err error
	if n.Field, err = parseField(path); err != nil {
		return n, err
	}
	n.Rules = query.SQL
	switch n.Op {
	case query.Null, query.Empty: // no value means true; false negates the operator
		n.Negate = n.Negate != (v.Type == gjson.False || v.Str == "false")
		return n, nil
	case query.In, query.Between:
		return n, f.values(&n, name, v)
	case query.Eq:
		if v.Type == gjson.Null || v.Str == "null" || v.Str == "NULL" {
			return query.Node{Op: query.Null, Negate: n.Negate, Field: n.Field, Rules: query.SQL}, nil
		}
		n.Fold = n.Fold && v.Type == gjson.String && n.Field.String() != "_created" // other values have no case
	case query.Contains, query.StartsWith, query.EndsWith:
		if v.Type == gjson.Number {
			v = query.String(v.Raw)
		}
	}
	return n, f.add(&n, v)
}

// add adds a value to a comparison. The store's ids are strings, and many applications have numbers instead; add turns
// them into strings. It also turns times into the store's texts.
func (f *filterReader) add(n *query.Node, v gjson.Result) error {
	v, err := f.value(v)
	switch name := n.Field.String(); {
	case err != nil:
		return err
	case name == "_id" && v.Type == gjson.Number:
		v = query.String(v.Raw)
	case name == "_created" && n.Op < query.Contains && v.Type != gjson.Null:
		v, err = createdAt(n, v)
	}
	n.Values = append(n.Values, v)
	return err
}

// values parses a list of values: an array, a string with commas as in a URL, an object with the values, or one value.
func (f *filterReader) values(n *query.Node, name string, v gjson.Result) error {
	in := v.Array() // one value is a list of one; null is an empty list
	switch {
	case v.Type == gjson.String:
		in = nil
		for s := range strings.SplitSeq(v.Str, ",") {
			in = append(in, query.String(s))
		}
	case v.IsObject(): // a URL with many brackets becomes such an object
		in = nil
		v.ForEach(func(_, e gjson.Result) bool {
			in = append(in, e)
			return true
		})
	}
	if n.Op == query.Between && len(in) != 2 {
		return query.Refuse(query.BadValue, "%s of %s takes a list of two values, the lowest and the highest", name, n.Field)
	}
	for _, e := range in {
		if err := f.add(n, e); err != nil {
			return err
		}
	}
	return nil
}

// value returns the value to compare with. It replaces $NOW with the time.
func (f *filterReader) value(v gjson.Result) (gjson.Result, error) {
	if strings.HasPrefix(v.Str, "$CURRENT_") {
		return v, query.Refuse(query.BadValue, "there is no variable %.40q: there is $NOW, as in $NOW(-1 day)", v.Str)
	}
	if !strings.HasPrefix(v.Str, "$NOW") {
		return v, nil
	}
	at, err := adjusted(f.now, v.Str)
	return query.String(at.UTC().Format(storedTime)), err
}
