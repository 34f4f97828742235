package restdb

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// editElement edits an existing element of a list, or what lies below it. A removed element leaves null, so that the other
// elements keep their numbers.
func editElement(list gjson.Result, names []string, f edit) ([]byte, error) {
	at, err := strconv.Atoi(names[0])
	if err != nil {
		at = -1
	}
	err = nil
	out, i, found := append(make([]byte, 0, len(list.Raw)), '['), 0, false
	list.ForEach(func(_, e gjson.Result) bool {
		if i > 0 {
			out = append(out, ',')
		}
		if i++; i-1 != at {
			out = append(out, e.Raw...)
			return true
		}
		found = true
		var value []byte
		if value, err = editAt([]byte(e.Raw), names[1:], f); value == nil {
			value = []byte("null")
		}
		out = append(out, value...)
		return err == nil
	})
	if !found {
		return nil, fmt.Errorf("names element %.20q of a list of %d: name an existing one, or add one with $push", names[0], i)
	}
	return append(out, ']'), err
}

func listText(list []gjson.Result) []byte {
	text := []byte{'['}
	for i, e := range list {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, e.Raw...)
	}
	return append(text, ']')
}

// listEdit makes an edit of a list. If the field is missing, absent says what to do: true edits an empty list, false does
// nothing.
func listEdit(absent bool, f func(list []gjson.Result) []gjson.Result) edit {
	return func(was []byte) ([]byte, error) {
		if was == nil && !absent {
			return nil, nil
		}
		var list []gjson.Result
		if was != nil {
			v := gjson.ParseBytes(was)
			if !v.IsArray() {
				return nil, fmt.Errorf("cannot change %s: it takes a field that holds a list", query.KindOf(v))
			}
			list = v.Array()
		}
		return listText(f(list)), nil
	}
}

// several returns the values to add: one value, or the list of an $each.
func several(arg gjson.Result) ([]gjson.Result, error) {
	if !hasOperators(arg) {
		return []gjson.Result{arg}, nil
	}
	each := arg.Get(`\$each`)
	if !each.IsArray() || len(arg.Map()) != 1 {
		return nil, errors.New(`takes a value, or {"$each":[…]} and nothing else`)
	}
	return bounded(each)
}

// bounded returns the elements of a list that a client sent. It refuses more than query.MaxList.
func bounded(v gjson.Result) ([]gjson.Result, error) {
	if !v.IsArray() {
		return nil, fmt.Errorf("takes a list, not %s", query.KindOf(v))
	}
	list := v.Array()
	if len(list) > query.MaxList {
		return nil, fmt.Errorf("has a list of %d values: send at most %d, in several requests", len(list), query.MaxList)
	}
	return list, nil
}

func push(arg gjson.Result) (edit, error) {
	values, err := several(arg)
	return listEdit(true, func(list []gjson.Result) []gjson.Result { return append(list, values...) }), err
}

// valueKey returns a map key for a value. Values that query.Compare finds equal have the same key.
func valueKey(v gjson.Result) string {
	switch v.Type {
	case gjson.Number:
		return string(query.AppendExactKey(nil, v))
	case gjson.String:
		return "s" + v.Str
	}
	return v.Raw
}

func addToSet(arg gjson.Result) (edit, error) {
	values, err := several(arg)
	return listEdit(true, func(list []gjson.Result) []gjson.Result {
		has := map[string]bool{}
		for _, e := range list {
			has[valueKey(e)] = true
		}
		for _, v := range values {
			if m := valueKey(v); !has[m] {
				has[m] = true
				list = append(list, v)
			}
		}
		return list
	}), err
}

func pop(arg gjson.Result) (edit, error) {
	if arg.Raw != "1" && arg.Raw != "-1" {
		return nil, errors.New("takes 1 for the last element or -1 for the first")
	}
	return listEdit(false, func(list []gjson.Result) []gjson.Result {
		switch {
		case len(list) == 0:
			return list
		case arg.Raw == "1":
			return list[:len(list)-1]
		}
		return list[1:]
	}), nil
}

func without(match func(e gjson.Result) bool) edit {
	return listEdit(false, func(list []gjson.Result) []gjson.Result { return slices.DeleteFunc(list, match) })
}

func pullAll(arg gjson.Result) (edit, error) {
	values, err := bounded(arg)
	gone := map[string]bool{}
	for _, v := range values {
		gone[valueKey(v)] = true
	}
	return without(func(e gjson.Result) bool { return gone[valueKey(e)] }), err
}

// asksFields reports whether a condition is about an object's fields, not about a value itself.
func asksFields(v gjson.Result) bool {
	found := false
	v.ForEach(func(key, _ gjson.Result) bool {
		found = !isOperator(key.Str) || slices.Contains([]string{"$and", "$or", "$nor"}, key.Str)
		return !found
	})
	return found
}

// maxPullBytes limits the work of a $pull: the bytes of the list, times the Weight of the condition. The limit is needed because
// other requests wait for the document. A regular expression of 300 instructions took 0.3 s for 60 KB. Work at the limit
// takes about 30 ms.
const maxPullBytes = 2 << 20

// pull removes elements from a list. The argument is a value, a condition on the element such as {"$gt":5}, or an object of
// conditions on the element's fields.
func pull(arg gjson.Result) (edit, error) {
	if !arg.IsObject() || arg.Raw == "{}" {
		return without(func(e gjson.Result) bool { return query.Compare(e, arg) == 0 }), nil
	}
	if _, err := query.ParseObject("its condition", arg.Raw); err != nil {
		return nil, err
	}
	read, wrap := readGroup, func(e gjson.Result) string { return e.Raw }
	if !asksFields(arg) {
		element, err := query.ParseField("element")
		if err != nil {
			return nil, err
		}
		read = func(v gjson.Result, depth int) (query.Node, error) { return readAsked(element, v, depth) }
		wrap = func(e gjson.Result) string { return `{"element":` + e.Raw + `}` }
	}
	node, err := read(arg, 1)
	if err != nil {
		return nil, err
	}
	condition, err := query.Compile(node)
	if err != nil {
		return nil, err
	}
	f := without(func(e gjson.Result) bool {
		text := wrap(e)
		return text[0] == '{' && condition.Match([]byte(text))
	})
	return func(was []byte) ([]byte, error) {
		if len(was)*condition.Weight() > maxPullBytes {
			return nil, fmt.Errorf("would search a list of %d bytes, which is too much work for this condition: write it with fewer parts and repetitions", len(was))
		}
		return f(was)
	}, nil
}
