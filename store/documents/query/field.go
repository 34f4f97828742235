package query

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Field is a path into a document, such as user.name. A dot goes into an object; a name that holds a dot cannot be
// asked for. An array on the way is gone through: its objects are each asked for the rest of the path. Of ParsePath,
// a name that is a number is also the element of an array at that place, as in kids.0.
type Field struct {
	path  string
	names []string // each escaped, so that gjson never reads a name of a user as its own syntax
	// places is set where a name that is a number is a place in an array.
	places bool
}

// Itself is the field of an Element's Node that asks for the element and not for a field of it.
var Itself = Field{path: "the element"}

// ParseField checks a path.
func ParseField(path string) (Field, error) {
	switch {
	case path == "":
		return Field{}, Refuse(BadField, "the name of a field is empty: give one such as name or user.name")
	case len(path) > MaxName:
		return Field{}, Refuse(TooLong, "a field's path has %d bytes: at most %d are taken", len(path), MaxName)
	case strings.Count(path, ".") >= MaxDepth:
		return Field{}, Refuse(TooDeep, "field %q goes into more than %d objects", path, MaxDepth)
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

// ParsePath is ParseField for a language, such as Mongo's, in which a number is a place in an array.
func ParsePath(path string) (Field, error) {
	f, err := ParseField(path)
	f.places = slices.ContainsFunc(f.names, func(name string) bool {
		_, is := place(name)
		return is
	})
	return f, err
}

// String is the path as it was given.
func (f Field) String() string { return f.path }

// Value is what the field holds in a document; the zero Result if it is missing. Where the path meets an array on its
// way, that array is the value, as there may be several. The result points into doc.
func (f Field) Value(doc []byte) gjson.Result { return f.value(doc, false) }

// At is Value, but a place goes on to the element of the array.
func (f Field) At(doc []byte) gjson.Result { return f.value(doc, f.places) }

func (f Field) value(doc []byte, places bool) gjson.Result {
	v := root(doc)
	for _, name := range f.names {
		if v.IsArray() {
			if _, is := place(name); !is || !places {
				return v
			}
		} else if !v.IsObject() {
			return gjson.Result{}
		}
		v = gjson.Get(v.Raw, name)
	}
	return v
}

// Places reports whether there are places in the path, so that At and Value may differ.
func (f Field) Places() bool { return f.places }

// AppendKey appends what an index on the field holds for a document; null's key if the field is missing.
func (f Field) AppendKey(dst, doc []byte) []byte { return AppendKey(dst, f.Value(doc)) }

// root is a document as gjson sees it, which reads strings: the one place where bytes are taken for one without a
// copy. What is found in it is part of doc, so it lives no longer than the call that was given doc.
func root(doc []byte) gjson.Result {
	return gjson.Result{Type: gjson.JSON, Raw: unsafe.String(unsafe.SliceData(doc), len(doc))}
}

// turns returns in how many ways the path may lead through a text at most, less one: at each place it may go
// to an element, or on through the array, which takes a further name.
func (f Field) turns() int {
	before, ways := 1, 1
	for _, name := range f.names {
		if _, is := place(name); is && f.places {
			before, ways = ways, before+ways
		}
	}
	return ways - 1
}

// place reads a name that is the place of an element.
func place(name string) (int, bool) {
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

// any reports whether test holds for something that the path leads to from v: one value, or several where arrays lie
// on the way. Where there is none, it is asked of a missing one.
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

// anyElement asks the objects of an array, and the element at the place that the path names. Other elements have no
// fields, and arrays in arrays are not gone into.
func (n *node) anyElement(array gjson.Result, names []string) bool {
	at, placed := place(names[0])
	placed = placed && n.Field.places
	found, asked, i := false, false, 0
	array.ForEach(func(_, e gjson.Result) bool {
		if e.IsObject() && (!placed || gjson.Get(e.Raw, names[0]).Exists()) {
			asked = true
			found = n.any(e, names)
		}
		if !found && placed && i == at {
			asked = true
			found = n.any(e, names[1:])
		}
		i++
		return !found
	})
	return found || !asked && n.holds(gjson.Result{})
}
