package directus

import (
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// functions are the functions that aggregate accepts.
var functions = map[string]query.Aggregate{
	"count":         {Func: query.Count},
	"countAll":      {Func: query.Count},
	"countDistinct": {Func: query.Count, Distinct: true},
	"sum":           {Func: query.Sum},
	"sumDistinct":   {Func: query.Sum, Distinct: true},
	"avg":           {Func: query.Avg},
	"avgDistinct":   {Func: query.Avg, Distinct: true},
	"min":           {Func: query.Min},
	"max":           {Func: query.Max},
}

// grouping is what a query with aggregate or groupBy asks for. Its answer has figures of groups, not items.
type grouping struct {
	names   []string // of by, as the client sent them
	by      []query.Field
	figures []figure
	of      []query.Aggregate // how to compute figures, in the same order
	order   []column
}

// figure is a function of a field or, with no field, of the items themselves.
type figure struct{ function, field string }

// column is a part of a group by which the groups are sorted.
type column struct {
	at         int // an index into by followed by figures
	descending bool
}

// readAggregate parses {"sum":["price"],"count":"*"}, or a string that contains such an object.
func (g *grouping) readAggregate(v gjson.Result) error {
	if v.Type == gjson.String {
		var err error
		if v, err = query.ParseObject("aggregate", v.Str); err != nil {
			return err
		}
	}
	if !v.IsObject() {
		return query.Refuse(query.BadSyntax, `aggregate is %s: it must be an object such as {"sum":"price"}, or a string that holds one`, query.KindOf(v))
	}
	var err error
	v.ForEach(func(key, e gjson.Result) bool {
		err = g.readFunction(key.Str, e)
		return err == nil
	})
	return err
}

func (g *grouping) readFunction(name string, v gjson.Result) error {
	a, ok := functions[name]
	if !ok {
		return query.Refuse(query.BadName, "there is no function %.40q in aggregate: there are %s", name, strings.Join(slices.Sorted(maps.Keys(functions)), " "))
	}
	a.Rules = query.SQL
	if name == "countAll" {
		g.add(figure{name, ""}, a)
		return nil
	}
	fields, err := nameList("aggregate "+name, v)
	if err != nil {
		return err
	}
	for _, field := range fields {
		if field == "*" {
			if a.Func != query.Count {
				return query.Refuse(query.BadField, "aggregate %s cannot take *: name the fields", name)
			}
			if len(fields) == 1 { // if there are other fields, the answer has no place for it
				g.add(figure{name, ""}, a)
			}
			continue
		}
		if a.Field, err = parseField(field); err != nil {
			return err
		}
		g.add(figure{name, field}, a)
	}
	return nil
}

// add adds a figure unless it is already there.
func (g *grouping) add(f figure, a query.Aggregate) {
	if !slices.Contains(g.figures, f) {
		g.figures, g.of = append(g.figures, f), append(g.of, a)
	}
}

// readGroupBy parses the names of the fields to group items by.
func (g *grouping) readGroupBy(v gjson.Result) error {
	list, err := nameList("groupBy", v)
	if err != nil {
		return err
	}
	for _, name := range list {
		f, err := parseField(name)
		if err != nil {
			return err
		}
		if !slices.Contains(g.names, name) {
			g.names, g.by = append(g.names, name), append(g.by, f)
		}
	}
	return nil
}

// empty reports whether the query asks for neither groups nor figures.
func (g *grouping) empty() bool { return len(g.by)+len(g.figures) == 0 }

// sortBy finds the columns to sort groups by. Each is a field of groupBy, or a figure such as sum.price or count.
func (g *grouping) sortBy(order query.Order) error {
	for _, t := range order {
		name := t.Field.String()
		at := slices.IndexFunc(g.by, func(f query.Field) bool { return f.String() == name })
		if at < 0 {
			at = slices.IndexFunc(g.figures, func(f figure) bool { return name == f.name() || name == f.function+".*" && f.field == "" })
			if at < 0 {
				return query.Refuse(query.BadField, "the groups cannot be sorted by %.40q: sort by a field of groupBy, or a function and its field, such as sum.price", name)
			}
			at += len(g.by)
		}
		g.order = append(g.order, column{at, t.Descending})
	}
	return nil
}

// name returns the name of a figure in sort.
func (f figure) name() string {
	if f.field == "" {
		return f.function
	}
	return f.function + "." + f.field
}

// value returns the column's value in a group.
func (c *column) value(g *query.Group) gjson.Result {
	if c.at < len(g.By) {
		return gjson.Parse(g.By[c.at])
	}
	return gjson.Parse(g.Values[c.at-len(g.By)])
}

// aggregate answers a query with aggregate or groupBy.
func (c *caller) aggregate(q *itemsQuery) (*found, error) {
	g := q.grouping
	a, err := query.NewAggregation(g.by, g.of)
	if err != nil {
		return nil, err
	}
	a.Rules = query.SQL
	matched := int64(0)
	err = c.h.o.Documents.Each(c.ctx, c.collection, q.condition, func(text []byte) error {
		matched++
		return a.Add(text)
	})
	if err != nil {
		return nil, err
	}
	f := &found{data: g.appendGroups(nil, q.page(g.sorted(a.Groups())))}
	if err := c.h.o.Documents.Hold(c.ctx, f.data); err != nil {
		return nil, err
	}
	f.meta, err = c.meta(q, matched)
	return f, err
}

// sorted sorts groups in the query's order.
func (g *grouping) sorted(groups []query.Group) []query.Group {
	slices.SortStableFunc(groups, func(x, y query.Group) int {
		for i := range g.order {
			c := query.SQL.Compare(g.order[i].value(&x), g.order[i].value(&y))
			if g.order[i].descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return groups
}

// page returns the groups within the query's offset and limit.
func (q *itemsQuery) page(groups []query.Group) []query.Group {
	groups = groups[min(q.offset, len(groups)):]
	if q.limit >= 0 {
		groups = groups[:min(q.limit, len(groups))]
	}
	return groups
}

// appendGroups appends groups in Directus' form: first the values that they are grouped by, then the figures by
// function and field.
func (g *grouping) appendGroups(dst []byte, groups []query.Group) []byte {
	dst = append(dst, '[')
	for i := range groups {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = g.appendGroup(dst, &groups[i])
	}
	return append(dst, ']')
}

func (g *grouping) appendGroup(dst []byte, group *query.Group) []byte {
	dst = append(dst, '{')
	begun := len(dst)
	name := func(text string) {
		if len(dst) > begun {
			dst = append(dst, ',')
		}
		dst = append(gjson.AppendJSONString(dst, text), ':')
	}
	for i, field := range g.names {
		if !slices.ContainsFunc(g.figures, func(f figure) bool { return f.function == field }) { // an object has each name once, and the function's wins
			name(field)
			dst = append(dst, group.By[i]...)
		}
	}
	for i, f := range g.figures { // the figures of one function are neighbours
		if f.field == "" {
			name(f.function)
			dst = append(dst, group.Values[i]...)
			continue
		}
		if i == 0 || g.figures[i-1].function != f.function {
			name(f.function)
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		dst = append(append(gjson.AppendJSONString(dst, f.field), ':'), group.Values[i]...)
		if i == len(g.figures)-1 || g.figures[i+1].function != f.function {
			dst = append(dst, '}')
		}
	}
	return append(dst, '}')
}

// plain refuses aggregate and groupBy in a query that must select items.
func (q *itemsQuery) plain() error {
	if q.grouping == nil {
		return nil
	}
	return query.Refuse(query.BadName, "aggregate and groupBy are for reading lists only: leave them out of the query")
}
