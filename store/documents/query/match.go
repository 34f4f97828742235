package query

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Match reports whether a document matches the condition.
func (c *Condition) Match(doc []byte) bool { return c == nil || c.root.match(root(doc)) }

func (n *node) match(doc gjson.Result) bool {
	switch n.Op {
	case And:
		for i := range n.nodes {
			if !n.nodes[i].match(doc) {
				return false
			}
		}
		return true
	case Or:
		for i := range n.nodes {
			if n.nodes[i].match(doc) {
				return true
			}
		}
		return false
	case Not:
		return !n.nodes[0].match(doc)
	case Search:
		return n.search(doc, 0) != n.Negate
	}
	if n.Rules == SQL {
		return n.any(doc, n.Field.names)
	}
	return n.any(doc, n.Field.names) != n.Negate
}

// holds reports whether one value at the path matches. SQL negates here, value by value, so that null matches neither
// way. Mongo negates the whole.
func (n *node) holds(v gjson.Result) bool {
	if n.Rules == SQL {
		if v.Type == gjson.Null && n.Op < Exists {
			return false
		}
		return (n.test(v) || n.inList() && n.testElements(v)) != n.Negate
	}
	return n.test(v) || n.Op < Exists && n.testElements(v)
}

// inList reports whether a comparison by SQL's rules matches an array by its elements.
func (n *node) inList() bool {
	return n.Op == In || n.Op == Contains || n.Op == StartsWith || n.Op == EndsWith
}

// testElements reports whether the comparison holds for an element of an array.
func (n *node) testElements(v gjson.Result) bool {
	found := false
	if v.IsArray() && len(n.Field.names) > 0 { // arrays in arrays are not searched
		v.ForEach(func(_, e gjson.Result) bool {
			found = n.test(e)
			return !found
		})
	}
	return found
}

// test is the comparison alone.
func (n *node) test(v gjson.Result) bool {
	switch n.Op {
	case Eq, In:
		return n.values.has(v) || n.Fold && v.Type == gjson.String && strings.ToLower(v.Str) == n.text
	case Lt, Lte, Gt, Gte:
		return n.values.compares(v, n.Op)
	case Between:
		return n.values.compares(v, Gte) && n.highs.compares(v, Lte)
	case Exists:
		return v.Exists()
	case Null:
		return v.Type == gjson.Null
	case Empty:
		return isEmpty(v)
	case Element:
		return n.element(v)
	}
	return v.Type == gjson.String && n.testText(v.Str)
}

// element reports whether one element of an array matches. Only objects have fields.
func (n *node) element(v gjson.Result) bool {
	found := false
	if v.IsArray() {
		v.ForEach(func(_, e gjson.Result) bool {
			found = (n.itself || e.IsObject()) && n.nodes[0].match(e)
			return !found
		})
	}
	return found
}

func (n *node) testText(s string) bool {
	if n.Op == Regex {
		return n.pattern.MatchString(s)
	}
	if n.Fold {
		s = strings.ToLower(s)
	}
	switch n.Op {
	case Contains:
		return strings.Contains(s, n.text)
	case StartsWith:
		return strings.HasPrefix(s, n.text)
	default:
		return strings.HasSuffix(s, n.text)
	}
}

func isEmpty(v gjson.Result) bool {
	return v.Type == gjson.Null || v.Type == gjson.String && v.Str == "" || v.Type == gjson.JSON && len(v.Raw) == 2
}

// maxSearchDepth is how deep Search looks, since each level takes a part of the stack.
const maxSearchDepth = 32

// search looks for the text in all values. At the top level it skips fields whose names begin with _. They are the
// store's, and a year would be found in everything that was written in it.
func (n *node) search(v gjson.Result, depth int) bool {
	switch v.Type {
	case gjson.String:
		return strings.Contains(strings.ToLower(v.Str), n.text)
	case gjson.Number:
		return strings.Contains(strings.ToLower(v.Raw), n.text)
	case gjson.JSON:
	default:
		return false
	}
	if depth > maxSearchDepth {
		return false
	}
	found := false
	v.ForEach(func(key, e gjson.Result) bool {
		if depth > 0 || !strings.HasPrefix(key.Str, "_") {
			found = n.search(e, depth+1)
		}
		return !found
	})
	return found
}
