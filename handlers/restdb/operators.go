package restdb

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sluice/handlers/httperr"
	"sluice/store/documents"
	"sluice/store/documents/query"
)

// edit returns the new value for the old one, was. nil means that there is none, for both.
type edit func(was []byte) ([]byte, error)

// operators make an edit of one field from the operator's value. $rename is not here, because it changes two fields.
var operators = map[string]func(arg gjson.Result) (edit, error){
	"$set":   func(arg gjson.Result) (edit, error) { return constant([]byte(arg.Raw)), nil },
	"$unset": func(gjson.Result) (edit, error) { return constant(nil), nil },
	"$inc":   func(arg gjson.Result) (edit, error) { return calculate(arg, add) },
	"$mul":   func(arg gjson.Result) (edit, error) { return calculate(arg, multiply) },
	"$min":   func(arg gjson.Result) (edit, error) { return extreme(arg, -1), nil },
	"$max":   func(arg gjson.Result) (edit, error) { return extreme(arg, 1), nil },
	"$currentDate": func(gjson.Result) (edit, error) {
		return func([]byte) ([]byte, error) { return []byte(`"` + documents.Time(time.Now()) + `"`), nil }, nil
	},
	"$push":     push,
	"$addToSet": addToSet,
	"$pop":      pop,
	"$pull":     pull,
	"$pullAll":  pullAll,
}

func constant(value []byte) edit { return func([]byte) ([]byte, error) { return value, nil } }

// fieldChange is one edit of a document.
type fieldChange struct {
	paths []string // what it touches
	apply func(own *documents.Fields) error
}

// operations are the operations of one request. Each changes a different part of the document, so their order does not
// matter.
type operations []fieldChange

// badUpdate refuses a change.
func badUpdate(format string, args ...any) error {
	return httperr.New(http.StatusBadRequest, httperr.BadUpdate, format, args...)
}

// maxApplyBytes limits the bytes that the operators of one request read, because other requests wait for the document. An
// operator reads its field once for each name of its path. Without the limit, a hundred operators took three seconds for
// 64 KiB.
const maxApplyBytes = 2 << 20

// apply makes all changes, or returns the error of the first that is impossible.
func (os operations) apply(own *documents.Fields) error {
	work := 0
	for i := range os {
		for _, path := range os[i].paths {
			top, _, _ := strings.Cut(path, ".")
			work += len(own.Get(top)) * (1 + strings.Count(path, "."))
		}
		if work > maxApplyBytes {
			return badUpdate("the operators change too many parts of long fields: send them in several requests")
		}
		if err := os[i].apply(own); err != nil {
			return err
		}
	}
	return nil
}

func isOperator(name string) bool { return strings.HasPrefix(name, "$") }

// takeOperators removes the operators from a body's fields and returns them.
func takeOperators(fields *documents.Fields) (operations, error) {
	var all operations
	var err error
	for _, name := range slices.Clone(fields.Names()) {
		if !isOperator(name) {
			continue
		}
		arg := gjson.ParseBytes(fields.Get(name))
		fields.Delete(name)
		if _, known := operators[name]; !known && name != "$rename" {
			return nil, badUpdate("there is no operator %.40q: there are %s $rename", name, strings.Join(slices.Sorted(maps.Keys(operators)), " "))
		}
		if !arg.IsObject() {
			return nil, badUpdate(`%s takes an object of fields, such as {"%s":{"count":1}}, not %s`, name, name, query.KindOf(arg))
		}
		arg.ForEach(func(path, value gjson.Result) bool {
			var o fieldChange
			o, err = newOperation(name, path.Str, value)
			all = append(all, o)
			return err == nil && len(all) <= query.MaxFields
		})
		if err != nil {
			return nil, err
		}
	}
	return all, all.check(fields)
}

// check refuses too many operations, and operations that overlap.
func (os operations) check(fields *documents.Fields) error {
	if len(os) > query.MaxFields {
		return badUpdate("the operators change more than %d fields: send them in several requests", query.MaxFields)
	}
	taken := map[string]bool{} // false: a path of an operation; true: only a parent of one
	for _, o := range os {
		for _, path := range o.paths {
			parts := strings.Split(path, ".")
			if slices.Contains(fields.Names(), parts[0]) {
				return badUpdate("field %.40q is both given and changed by an operator: send one of them", path)
			}
			if _, is := taken[path]; is {
				return badUpdate("field %.40q is changed by two operators: send them in two requests", path)
			}
			for i := 1; i < len(parts); i++ {
				above := strings.Join(parts[:i], ".")
				if only, is := taken[above]; is && !only {
					return badUpdate("fields %.40q and %.40q are changed by operators: send them in two requests", above, path)
				}
				taken[above] = true
			}
			taken[path] = false
		}
	}
	return nil
}

func newOperation(name, path string, value gjson.Result) (fieldChange, error) {
	if err := checkPath(name, path); err != nil {
		return fieldChange{}, err
	}
	if name == "$rename" {
		return rename(path, value)
	}
	f, err := operators[name](value)
	if err != nil {
		return fieldChange{}, badUpdate("%s of %.40q %v", name, path, err)
	}
	return fieldChange{[]string{path}, func(own *documents.Fields) error { return editField(own, name, path, f) }}, nil
}

// checkPath refuses a path that no operator may change.
func checkPath(name, path string) error {
	if _, err := query.ParseField(path); err != nil {
		return badUpdate("%s: %v", name, err)
	}
	if top, _, _ := strings.Cut(path, "."); top == "_id" || slices.Contains(documents.MetaFields, top) {
		return badUpdate("%s cannot change %q: the gateway sets it", name, top)
	}
	if strings.HasPrefix(path, "$") || strings.Contains(path, ".$") {
		return badUpdate("%s of %.40q: names of fields must not begin with $; elements of lists have numbers, as in list.0", name, path)
	}
	return nil
}

// rename moves a value, if there is one.
func rename(path string, to gjson.Result) (fieldChange, error) {
	if to.Type != gjson.String {
		return fieldChange{}, badUpdate("$rename of %.40q takes the new name, a string, not %s", path, query.KindOf(to))
	}
	if err := checkPath("$rename", to.Str); err != nil {
		return fieldChange{}, err
	}
	return fieldChange{[]string{path, to.Str}, func(own *documents.Fields) error {
		var value []byte
		err := editField(own, "$rename", path, func(was []byte) ([]byte, error) {
			value = was
			return nil, nil
		})
		if err != nil || value == nil {
			return err
		}
		return editField(own, "$rename", to.Str, constant(value))
	}}, nil
}

// editField edits the value at a path.
func editField(own *documents.Fields, name, path string, f edit) error {
	parts := strings.Split(path, ".")
	value, err := editAt(own.Get(parts[0]), parts[1:], f)
	switch {
	case err != nil:
		return badUpdate("%s of %.40q %v", name, path, err)
	case value == nil:
		own.Delete(parts[0])
	default:
		own.Set(parts[0], value)
	}
	return nil
}

// editAt returns was after an edit of the value that names lead to. It makes the objects that are missing on the way.
func editAt(was []byte, names []string, f edit) ([]byte, error) {
	if len(names) == 0 {
		return f(was)
	}
	if was == nil {
		value, err := editAt(nil, names[1:], f)
		if value == nil || err != nil {
			return nil, err
		}
		return append(append(append(gjson.AppendJSONString([]byte{'{'}, names[0]), ':'), value...), '}'), nil
	}
	switch v := gjson.ParseBytes(was); {
	case v.IsObject():
		return editMember(v, names, f)
	case v.IsArray():
		return editElement(v, names, f)
	default:
		return nil, fmt.Errorf("goes into %s, but only objects and lists have parts", query.KindOf(v))
	}
}

func editMember(object gjson.Result, names []string, f edit) ([]byte, error) {
	out, found := append(make([]byte, 0, len(object.Raw)), '{'), false
	var err error
	member := func(key string, value []byte) {
		if value == nil {
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	object.ForEach(func(key, e gjson.Result) bool {
		value := []byte(e.Raw)
		if key.Str == names[0] {
			found = true
			value, err = editAt(value, names[1:], f)
		}
		member(key.Raw, value)
		return err == nil
	})
	if !found {
		var value []byte
		value, err = editAt(nil, names[1:], f)
		member(query.String(names[0]).Raw, value)
	}
	return append(out, '}'), err
}
