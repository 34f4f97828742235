package restdb

import (
	"strings"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// operatorNames lists the operators for an error message.
const operatorNames = "$and $or $nor $not $eq $ne $gt $gte $lt $lte $bt $in $nin $exists $regex $elemMatch"

// comparisons are the operators that take a plain value.
var comparisons = map[string]query.Node{
	"$eq":  {Op: query.Eq},
	"$ne":  {Op: query.Eq, Negate: true},
	"$gt":  {Op: query.Gt},
	"$gte": {Op: query.Gte},
	"$lt":  {Op: query.Lt},
	"$lte": {Op: query.Lte},
	"$in":  {Op: query.In},
	"$nin": {Op: query.In, Negate: true},
	"$bt":  {Op: query.Between},
}

// parseQ reads the parameter q.
func parseQ(q string) (query.Node, error) {
	v, err := parseObject("parameter q", q)
	if err != nil {
		return query.Node{}, err
	}
	return readGroup(v, 1)
}

// parseObject reads the object of a parameter. PHP writes an empty one as [].
func parseObject(what, text string) (gjson.Result, error) {
	if emptyList(text) {
		text = ""
	}
	return query.ParseObject(what, text)
}

// emptyList reports whether a text is a JSON list without elements.
func emptyList(text string) bool {
	inside, open := strings.CutPrefix(strings.TrimSpace(text), "[")
	return open && strings.TrimSpace(inside) == "]"
}

// allOf joins conditions.
func allOf(nodes []query.Node) query.Node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	return query.Node{Op: query.And, Nodes: nodes}
}

// readGroup reads an object of fields and of $and, $or, $nor, $not. A document must match all of them.
func readGroup(v gjson.Result, depth int) (query.Node, error) {
	var out []query.Node
	err := query.CheckDepth(depth)
	if err != nil {
		return query.Node{}, err
	}
	v.ForEach(func(key, e gjson.Result) bool {
		var n query.Node
		switch key.Str {
		case "$and", "$or", "$nor":
			n, err = readList(key.Str, e, depth)
		case "$not":
			n, err = readNot(e, depth)
		default:
			n, err = readField(key.Str, e, depth)
		}
		out = append(out, n)
		return err == nil
	})
	return allOf(out), err
}

func readNot(v gjson.Result, depth int) (query.Node, error) {
	if !v.IsObject() {
		return query.Node{}, query.Refuse(query.BadValue, "$not next to fields takes an object of conditions, not %s", query.KindOf(v))
	}
	n, err := readGroup(v, depth+1)
	return query.Node{Op: query.Not, Nodes: []query.Node{n}}, err
}

// readList reads the value of $and, $or or $nor: a list of groups.
func readList(op string, v gjson.Result, depth int) (query.Node, error) {
	n := query.Node{Op: query.And}
	if op != "$and" {
		n.Op = query.Or
	}
	if !v.IsArray() || len(v.Raw) == len("[]") {
		return n, query.Refuse(query.BadValue, `%s takes a list of at least one condition, such as [{"name":"Joe"}]`, op)
	}
	var err error
	v.ForEach(func(_, e gjson.Result) bool {
		if !e.IsObject() {
			err = query.Refuse(query.BadValue, "%s holds %s: it takes a list of objects", op, query.KindOf(e))
			return false
		}
		var kid query.Node
		kid, err = readGroup(e, depth+1)
		n.Nodes = append(n.Nodes, kid)
		return err == nil
	})
	if op == "$nor" {
		n = query.Node{Op: query.Not, Nodes: []query.Node{n}}
	}
	return n, err
}

// readField reads the condition on a field: operators, or a value that the field must equal.
func readField(name string, v gjson.Result, depth int) (query.Node, error) {
	if strings.HasPrefix(name, "$") {
		if name == "$options" || strings.Contains(" "+operatorNames+" ", " "+name+" ") {
			return query.Node{}, query.Refuse(query.BadSyntax, `%s needs a field: write {"name":{"%s":…}}`, name, name)
		}
		return query.Node{}, unknownOperator(name)
	}
	f, err := query.ParsePath(name)
	if err != nil {
		return query.Node{}, err
	}
	return readAsked(f, v, depth)
}

func readAsked(f query.Field, v gjson.Result, depth int) (query.Node, error) {
	if !hasOperators(v) {
		e, err := readValue(v)
		return query.Node{Op: query.Eq, Field: f, Values: []gjson.Result{e}}, err
	}
	var out []query.Node
	var err error
	v.ForEach(func(key, e gjson.Result) bool {
		if key.Str == "$options" && v.Get(`\$regex`).Exists() {
			return true // read with $regex
		}
		var n query.Node
		n, err = readOperator(f, key.Str, e, v, depth)
		out = append(out, n)
		return err == nil
	})
	return allOf(out), err
}

// hasOperators reports whether v is an object of operators, not a value. {"$date":…} is a value.
func hasOperators(v gjson.Result) bool {
	found := false
	if v.IsObject() {
		v.ForEach(func(key, _ gjson.Result) bool {
			found = strings.HasPrefix(key.Str, "$") && key.Str != "$date"
			return !found
		})
	}
	return found
}

// readOperator reads one of a field's operators. siblings is the object that contains the operator.
func readOperator(f query.Field, name string, v, siblings gjson.Result, depth int) (query.Node, error) {
	if n, ok := comparisons[name]; ok {
		n.Field = f
		return n, readOperands(&n, name, v)
	}
	switch name {
	case "$exists":
		if !v.IsBool() && v.Type != gjson.Number {
			return query.Node{}, query.Refuse(query.BadValue, "$exists of %s takes true or false, not %s", f, query.KindOf(v))
		}
		return query.Node{Op: query.Exists, Field: f, Negate: !v.Bool()}, nil
	case "$regex":
		return readPattern(f, v, siblings.Get(`\$options`))
	case "$elemMatch":
		return readElement(f, v, depth)
	case "$not":
		if err := query.CheckDepth(depth + 1); err != nil {
			return query.Node{}, err
		}
		n, err := readAsked(f, v, depth+1) // a plain value is allowed too, as in RestDB
		return query.Node{Op: query.Not, Nodes: []query.Node{n}}, err
	case "$and", "$or", "$nor":
		return query.Node{}, query.Refuse(query.BadSyntax, `%s stands below field %s: write {"%s":[{"%s":…}]}`, name, f, name, f)
	case "$options":
		return query.Node{}, query.Refuse(query.BadSyntax, "$options of %s needs $regex", f)
	}
	if !strings.HasPrefix(name, "$") {
		return query.Node{}, query.Refuse(query.BadSyntax, "field %s is asked for operators and for %q: give either operators or a value", f, name)
	}
	return query.Node{}, unknownOperator(name)
}

func unknownOperator(name string) error {
	return query.Refuse(query.BadName, "there is no operator %.40q: there are %s", name, operatorNames)
}

// readOperands reads the values of a comparison. $in, $nin and $bt take a list.
func readOperands(n *query.Node, name string, v gjson.Result) error {
	in := []gjson.Result{v}
	if n.Op == query.In || n.Op == query.Between {
		if !v.IsArray() {
			return query.Refuse(query.BadValue, "%s of %s takes a list, not %s", name, n.Field, query.KindOf(v))
		}
		in = v.Array()
	}
	if n.Op == query.Between && len(in) != 2 {
		return query.Refuse(query.BadValue, "$bt of %s takes a list of two values, the lowest and the highest", n.Field)
	}
	for _, e := range in {
		e, err := readValue(e)
		if err != nil {
			return err
		}
		n.Values = append(n.Values, e)
	}
	return nil
}

// readElement reads the condition on one element of a list: conditions on its fields, or operators on the element itself.
func readElement(f query.Field, v gjson.Result, depth int) (query.Node, error) {
	if !v.IsObject() {
		return query.Node{}, query.Refuse(query.BadValue, `$elemMatch of %s takes an object such as {"name":"Ann","age":{"$gt":3}} or {"$gt":3}, not %s`, f, query.KindOf(v))
	}
	err := query.CheckDepth(depth + 1)
	if err != nil {
		return query.Node{}, err
	}
	n := query.Node{Op: query.Element, Field: f, Nodes: make([]query.Node, 1)}
	if v.Raw == "{}" || asksFields(v) {
		n.Nodes[0], err = readGroup(v, depth+1)
	} else {
		n.Nodes[0], err = readAsked(query.Itself, v, depth+1)
	}
	return n, err
}

// readPattern reads a $regex with its $options. It allows the options that RE2 has, and puts them into the expression.
func readPattern(f query.Field, v, options gjson.Result) (query.Node, error) {
	n := query.Node{Op: query.Regex, Field: f, Values: []gjson.Result{v}}
	if v.Type != gjson.String {
		return n, query.Refuse(query.BadValue, `$regex of %s takes a string, not %s; options go next to it: {"$regex":"^a","$options":"i"}`, f, query.KindOf(v))
	}
	if !options.Exists() {
		return n, nil
	}
	if options.Type != gjson.String || strings.Trim(options.Str, "ims") != "" {
		return n, query.Refuse(query.BadValue, "$options of %s are %.40s: use the letters i, m and s", f, options.Raw)
	}
	if options.Str != "" {
		n.Values[0] = query.String("(?" + options.Str + ")" + v.Str)
	}
	return n, nil
}
