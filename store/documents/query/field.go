package query

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Field is a path into a document, such as user.name. A dot goes into an object, so a name with a dot cannot be
// queried. An array on the way is searched: the rest of the path applies to each of its objects. In a path of
// ParsePath, a name that is a number is also a subscript, as in kids.0.
type Field struct {
	path  string
	names []string // escaped, so that gjson does not read a user's name as its own syntax
	// subscripts is true if numbers in the path are subscripts.
	subscripts bool
}

// Itself is the field in an Element's Node that means the element and not a field of it.
var Itself = Field{path: "the element"}

// ParseField checks a path.
func ParseField(path string) (Field, error) {
	switch {
	case path == "":
		return Field{}, Refuse(BadField, "the name of a field is empty: give one such as name or user.name")
	case len(path) > MaxName:
		return Field{}, Refuse(TooLong, "a field's path has %d bytes: at most %d are allowed", len(path), MaxName)
	case strings.Count(path, ".") >= MaxDepth:
		return Field{}, Refuse(TooDeep, "field %q nests more than %d objects", path, MaxDepth)
	}
	names := strings.Split(path, ".")
	for i, name := range names {
		if name == "" {
			return Field{}, Refuse(BadField, "field %q has an empty name in it: one dot goes between two names", path)
		}
		names[i] = gjson.Escape(name)
	}
	return Field{path: path, names: names}, nil
}

// ParsePath is ParseField for a language, such as Mongo's, in which a number is a subscript.
func ParsePath(path string) (Field, error) {
	f, err := ParseField(path)
	f.subscripts = slices.ContainsFunc(f.names, func(name string) bool {
		_, is := subscript(name)
		return is
	})
	return f, err
}

// String is the path as it was given.
func (f Field) String() string { return f.path }

// Value is the field's value in a document, or the zero Result if it is missing. If there is an array on the way, the
// array is the value, since the field may have several. The result points into doc.
func (f Field) Value(doc []byte) gjson.Result { return f.value(doc, false) }

// At is Value, but a subscript goes on to the element of the array.
func (f Field) At(doc []byte) gjson.Result { return f.value(doc, f.subscripts) }

func (f Field) value(doc []byte, subscripts bool) gjson.Result {
	v := root(doc)
	for _, name := range f.names {
		if v.IsArray() {
			if _, is := subscript(name); !is || !subscripts {
				return v
			}
		} else if !v.IsObject() {
			return gjson.Result{}
		}
		v = gjson.Get(v.Raw, name)
	}
	return v
}

// Subscripts reports whether the path has subscripts, so that At and Value may differ.
func (f Field) Subscripts() bool { return f.subscripts }

// AppendKey appends what an index on the field has for a document: the key of null if the field is missing.
func (f Field) AppendKey(dst, doc []byte) []byte { return AppendKey(dst, f.Value(doc)) }

// root is a document as gjson reads it. gjson reads strings; this is the only place where bytes become a string without
// a copy. Results point into doc, so they must not outlive the call that got doc.
func root(doc []byte) gjson.Result {
	return gjson.Result{Type: gjson.JSON, Raw: unsafe.String(unsafe.SliceData(doc), len(doc))}
}

// turns is the most ways that the path may take through a text, less one. At each subscript it may go to an element, or
// through the objects of the array, which use the next name.
func (f Field) turns() int {
	before, ways := 1, 1
	for _, name := range f.names {
		if _, is := subscript(name); is && f.subscripts {
			before, ways = ways, before+ways
		}
	}
	return ways - 1
}

// subscript reads a name that is a subscript.
func subscript(name string) (int, bool) {
	if name == "" || len(name) > 6 || name != "0" && name[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range []byte(name) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// any reports whether test holds for a value at the path from v: one value, or several if there are arrays on the way.
// If there is none, it tests a missing value.
func (n *node) any(v gjson.Result, names []string) bool {
	for i, name := range names {
		if v.IsArray() {
			return n.anyElement(v, names[i:])
		}
		if !v.IsObject() {
			return n.holds(gjson.Result{})
		}
		v = gjson.Get(v.Raw, name)
	}
	return n.holds(v)
}

// anyElement tests the objects of an array, and the element of a subscript. Other elements have no fields. Arrays in
// arrays are not searched.
func (n *node) anyElement(array gjson.Result, names []string) bool {
	at, subscripted := subscript(names[0])
	subscripted = subscripted && n.Field.subscripts
	found, asked, i := false, false, 0
	array.ForEach(func(_, e gjson.Result) bool {
		if e.IsObject() && (!subscripted || gjson.Get(e.Raw, names[0]).Exists()) {
			asked = true
			found = n.any(e, names)
		}
		if !found && subscripted && i == at {
			asked = true
			found = n.any(e, names[1:])
		}
		i++
		return !found
	})
	return found || !asked && n.holds(gjson.Result{})
}
