package directus

import (
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// functions are those of an aggregate.
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

// grouping is what a query asks for that has aggregate or groupBy: figures of groups of items, not items.
type grouping struct {
	names   []string // of by, as they were sent
	by      []query.Field
	figures []figure
	of      []query.Aggregate // of figures
	order   []column
}

// figure is a function of a field, or of the items themselves.
type figure struct{ function, field string }

// column is a part of a group that groups are sorted by.
type column struct {
	at         int // of by, then of figures
	descending bool
}

// readAggregate reads {"sum":["price"],"count":"*"}, or a string that holds it.
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
			if len(fields) == 1 { // with other fields, the answer has no place for it
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

// add adds a figure, once.
func (g *grouping) add(f figure, a query.Aggregate) {
	if !slices.Contains(g.figures, f) {
		g.figures, g.of = append(g.figures, f), append(g.of, a)
	}
}

// readGroupBy reads the names of the fields by whose values items are grouped.
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

// empty reports whether nothing is asked for.
func (g *grouping) empty() bool { return len(g.by)+len(g.figures) == 0 }

// sortBy finds what groups are sorted by: a field that they are grouped by, or a figure such as sum.price or count.
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

// name is what sort calls a figure.
func (f figure) name() string {
	if f.field == "" {
		return f.function
	}
	return f.function + "." + f.field
}

// value is a column of a group.
func (c *column) value(g *query.Group) gjson.Result {
	if c.at < len(g.By) {
		return gjson.Parse(g.By[c.at])
	}
	return gjson.Parse(g.Values[c.at-len(g.By)])
}

// aggregate answers a query of figures.
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

// sorted puts groups into the order asked for.
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

// page is the part of a list that the query's limit and offset leave.
func (q *itemsQuery) page(groups []query.Group) []query.Group {
	groups = groups[min(q.offset, len(groups)):]
	if q.limit >= 0 {
		groups = groups[:min(q.limit, len(groups))]
	}
	return groups
}

// appendGroups appends groups as Directus has them: the values grouped by, then the figures by function and field.
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
		if !slices.ContainsFunc(g.figures, func(f figure) bool { return f.function == field }) { // a name is there once
			name(field)
			dst = append(dst, group.By[i]...)
		}
	}
	for i, f := range g.figures { // those of a function stand together
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

// plain refuses a query of figures where items are asked for.
func (q *itemsQuery) plain() error {
	if q.grouping == nil {
		return nil
	}
	return query.Refuse(query.BadName, "aggregate and groupBy are for reading lists only: leave them out of the query")
}
