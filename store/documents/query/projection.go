package query

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Projection selects the fields of a document to show. The zero Projection shows all of it.
type Projection struct {
	tree *tree
	hide bool
}

// tree is what is named below a field: all of it, or some fields.
type tree struct {
	all    bool
	fields map[string]*tree
}

// Show makes a projection of the named fields. A * stands for all fields at its position. A path goes into objects and
// the objects of arrays.
func Show(paths ...string) (Projection, error) { return project(paths, false) }

// Hide makes a projection of all but the named fields.
func Hide(paths ...string) (Projection, error) { return project(paths, true) }

func project(paths []string, hide bool) (Projection, error) {
	if len(paths) > MaxFields {
		return Projection{}, Refuse(TooMany, "%d fields are named to be shown or hidden: at most %d are allowed", len(paths), MaxFields)
	}
	top := &tree{}
	for _, path := range paths {
		if _, err := ParseField(path); err != nil {
			return Projection{}, err
		}
		t := top
		for name := range strings.SplitSeq(path, ".") {
			if name == "*" && !hide {
				break // all fields include what follows the *
			}
			t = t.below(name)
		}
		t.all = true
	}
	return Projection{top, hide}, nil
}

func (t *tree) below(name string) *tree {
	if t.fields == nil {
		t.fields = map[string]*tree{}
	}
	if t.fields[name] == nil {
		t.fields[name] = &tree{}
	}
	return t.fields[name]
}

// Append appends the shown part of a document, its fields in their order.
func (p Projection) Append(dst, doc []byte) []byte {
	if p.tree == nil || p.tree.all && !p.hide {
		return append(dst, doc...)
	}
	return p.append(dst, root(doc), p.tree)
}

// append writes an object or an array of which t names parts.
func (p Projection) append(dst []byte, v gjson.Result, t *tree) []byte {
	object := v.IsObject()
	dst = append(dst, v.Raw[0])
	comma := false
	v.ForEach(func(key, e gjson.Result) bool {
		below := t
		if object {
			below = t.fields[key.Str]
		}
		if !p.shown(e, below) {
			return true
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		if object {
			dst = append(append(dst, key.Raw...), ':')
		}
		if below == nil || below.all || e.Type != gjson.JSON {
			dst = append(dst, e.Raw...)
		} else {
			dst = p.append(dst, e, below)
		}
		return true
	})
	return append(dst, v.Raw[0]+2) // in ASCII, ] is [ + 2 and } is { + 2
}

// shown reports whether a part of v is shown. t names parts of v, or is nil if v is not named.
func (p Projection) shown(v gjson.Result, t *tree) bool {
	if p.hide {
		return t == nil || !t.all
	}
	return t != nil && (t.all || v.Type == gjson.JSON)
}
