package query

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Rules say when a comparison matches. The doors have two languages, which differ for missing values and arrays.
type Rules byte

const (
	// Mongo: a missing field is null, and null equals null. A negation matches whatever the condition does not match,
	// missing fields included. A field with an array matches if the array or any of its elements does.
	Mongo Rules = iota
	// SQL, as in Directus: a missing field is null. Nothing matches null, negated or not, except Null, Empty and
	// Exists. A string that reads as a number, true or false, as in a URL, is both the string and that value. A text
	// that is a date and time compares as that moment. In, Contains, StartsWith and EndsWith match an array if they
	// match any of its elements.
	SQL
)

// Op is the operator of a Node.
type Op byte

// The groups, then the comparisons. A comparison has one value in Values unless said otherwise.
const (
	And        Op = iota // of Nodes; without Nodes: matches everything
	Or                   // of Nodes; without Nodes: matches nothing
	Not                  // of one Node
	Search               // a text is part of any string or number in the document, in any case; no Field
	Eq                   // Fold: ignore the case of strings
	Lt                   // Lt, Lte, Gt, Gte and Between compare only values of one kind
	Lte                  //
	Gt                   //
	Gte                  //
	In                   // Values: any number
	Between              // Values: low and high, both inclusive
	Contains             // a string in a string; Fold: ignore case
	StartsWith           //
	EndsWith             //
	Regex                // RE2; Fold: ignore case
	Exists               // no Values; null exists
	Null                 // no Values; null or missing
	Empty                // no Values; null, missing, "", [] or {}
	Element              // of one Node, no Values: an element of the array matches it; its fields are the element's, or Itself
)

// Node is a condition as a door builds it. Compile checks it.
type Node struct {
	Op     Op
	Nodes  []Node
	Field  Field
	Rules  Rules
	Negate bool
	Fold   bool
	Values []gjson.Result // objects and arrays as compact JSON
}

// String makes a value of a text.
func String(s string) gjson.Result {
	return gjson.Result{Type: gjson.String, Str: s, Raw: string(gjson.AppendJSONString(nil, s))}
}

// Condition is a compiled Node. The nil Condition matches everything.
type Condition struct {
	root   node
	weight int
}

// Weight is the cost of testing the condition on a text, as a multiple of reading the text once: one for each
// comparison, one for each instruction of a regular expression (all of them may be tried at every byte), and one for
// each further way that a field's path may take.
func (c *Condition) Weight() int {
	if c == nil {
		return 1
	}
	return c.weight
}

// node is a Node with everything prepared that does not depend on the document.
type node struct {
	Op      Op
	Rules   Rules
	Negate  bool
	Fold    bool
	Field   Field
	values  *operands // for Between: the low
	highs   *operands // for Between: the high
	text    string    // for text operators; lower case if Fold
	pattern *regexp.Regexp
	size    int // of the pattern, in instructions
	nodes   []node
	itself  bool // for Element: its node compares the element and not its fields
}

// asksItself reports whether the node has a comparison with Itself.
func (n *node) asksItself() bool {
	if n.Op <= Not {
		return slices.ContainsFunc(n.nodes, func(kid node) bool { return kid.asksItself() })
	}
	return n.Field.path == Itself.path && len(n.Field.names) == 0
}

// Compile checks a condition and its bounds.
func Compile(n Node) (*Condition, error) {
	c := &compiler{}
	root, err := c.compile(n, 1)
	if err != nil {
		return nil, err
	}
	return &Condition{root, 1 + c.count + c.program + c.turns + c.dates*dateWeight}, nil
}

// compiler counts comparisons, instructions of regular expressions, further ways of fields (see Field.turns), and
// comparisons with dates.
type compiler struct{ count, program, turns, dates int }

// dateWeight is the additional weight of a comparison with a date: texts that may be dates must be parsed.
const dateWeight = 3

func (c *compiler) compile(in Node, depth int) (node, error) {
	if err := CheckDepth(depth); err != nil {
		return node{}, err
	}
	if c.count++; in.Op > Not && c.count > MaxConditions {
		return node{}, Refuse(TooMany, "there are more than %d conditions: ask in several queries, or for a list of values", MaxConditions)
	}
	out := node{Op: in.Op, Rules: in.Rules, Negate: in.Negate, Fold: in.Fold, Field: in.Field}
	if in.Op > Not {
		if err := out.prepare(in.Values); err != nil {
			return node{}, err
		}
		if out.values != nil && out.values.dates || out.highs != nil && out.highs.dates {
			c.dates++
		}
		if c.program += out.size; c.program > maxProgram {
			return node{}, Refuse(BadPattern, "the regular expressions repeat too much together: use + or *, or a smaller number in {}, or ask in several queries")
		}
		c.turns += out.Field.turns()
		if in.Op != Element {
			return out, nil
		}
		if len(in.Nodes) != 1 {
			return node{}, Refuse(BadSyntax, "the condition on an element of %s has %d parts: it takes one", in.Field, len(in.Nodes))
		}
		kid, err := c.compile(in.Nodes[0], depth+1)
		out.nodes, out.itself = []node{kid}, kid.asksItself()
		return out, err
	}
	c.count-- // groups do not count: without comparisons they do nothing
	if in.Op == Not && len(in.Nodes) != 1 {
		return node{}, Refuse(BadSyntax, "a negation has %d conditions: it takes one", len(in.Nodes))
	}
	always := false // the group always matches
	var kids []node
	for _, one := range in.Nodes {
		kid, err := c.compile(one, depth+1)
		switch {
		case err != nil:
			return node{}, err
		case kid.everything() && in.Op != Not:
			always = in.Op == Or
		default:
			kids = append(kids, kid)
		}
	}
	switch {
	case always:
		return node{Op: And}, nil
	case len(kids) == 1 && in.Op != Not:
		return kids[0], nil
	}
	out.nodes = slices.Clone(kids)
	return out, nil
}

// everything reports whether the node matches every document: it is an And of nothing.
func (n *node) everything() bool { return n.Op == And && len(n.nodes) == 0 }

// prepare checks the values of a comparison and prepares them.
func (n *node) prepare(values []gjson.Result) error {
	if n.Op != Search && n.Field.path == "" {
		return Refuse(BadField, "a condition names no field")
	}
	if want := n.Op.values(); want >= 0 && len(values) != want {
		return Refuse(BadValue, "the condition on %s has %d values: it takes %d", n.Field, len(values), want)
	}
	if len(values) > MaxList {
		return Refuse(TooMany, "the list for %s has %d values: at most %d are allowed, ask in several queries", n.Field, len(values), MaxList)
	}
	switch n.Op {
	case Between:
		n.highs = n.operands(values[1:])
		n.values = n.operands(values[:1])
	case Eq, In, Lt, Lte, Gt, Gte:
		n.values = n.operands(values)
		if n.Op == Eq && n.Fold {
			return n.prepareText(values[0])
		}
	case Contains, StartsWith, EndsWith, Regex, Search:
		return n.prepareText(values[0])
	}
	return nil
}

// values is the number of values that an Op takes; -1 means any number.
func (o Op) values() int {
	switch o {
	case In:
		return -1
	case Between:
		return 2
	case Exists, Null, Empty, Element:
		return 0
	}
	return 1
}

// operands are the values to compare with. By SQL's rules a string is there twice: as such and as the value that it
// reads as. A moment is there in one format. The store's own fields, whose names begin with _, always have one format,
// so they compare as texts.
func (n *node) operands(in []gjson.Result) *operands {
	if n.Rules != SQL {
		return newOperands(in)
	}
	moments, dates := !strings.HasPrefix(n.Field.path, "_"), false
	var all []gjson.Result
	for _, v := range in {
		if spelled, ok := spells(v); ok {
			all = append(all, spelled)
		}
		if moments && v.Type == gjson.String {
			var is bool
			v, is = asText(v)
			dates = dates || is
		}
		all = append(all, v)
	}
	o := newOperands(all)
	o.moments, o.dates = moments && (dates || len(o.numbers) > 0), dates
	return o
}

// spells returns the number or boolean that a string reads as in JSON.
func spells(v gjson.Result) (gjson.Result, bool) {
	s := v.Str
	if v.Type != gjson.String || s == "" || strings.TrimSpace(s) != s || !gjson.Valid(s) {
		return v, false
	}
	v = gjson.Parse(s)
	return v, v.Type == gjson.Number || v.IsBool()
}

func (n *node) prepareText(v gjson.Result) error {
	if v.Type != gjson.String {
		return Refuse(BadValue, "the condition on %s takes a string, not %s", n.Field, v.Raw)
	}
	n.text = v.Str
	switch {
	case n.Op == Regex:
		var err error
		n.pattern, n.size, err = compilePattern(n.text, n.Fold)
		return err
	case n.Op == Search && len(n.text) > MaxSearch:
		return Refuse(TooLong, "the text to search for has %d bytes: at most %d are allowed", len(n.text), MaxSearch)
	case n.Op == Search || n.Fold:
		n.text = strings.ToLower(n.text)
	}
	return nil
}

// compilePattern accepts only RE2, whose time is linear in the text, and only small programs: they run at every byte of
// every document.
func compilePattern(s string, fold bool) (re *regexp.Regexp, size int, err error) {
	if len(s) > MaxPattern {
		return nil, 0, Refuse(BadPattern, "the regular expression has %d bytes: at most %d are allowed", len(s), MaxPattern)
	}
	if fold {
		s = "(?i)" + s
	}
	parsed, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, 0, Refuse(BadPattern, "the regular expression cannot be read: %s; it is RE2, without look-around and back references", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxProgram {
		return nil, 0, Refuse(BadPattern, "the regular expression repeats too much: use + or *, or a smaller number in {}")
	}
	if re, err = regexp.Compile(s); err != nil {
		return nil, 0, Refuse(BadPattern, "the regular expression cannot be read: %v", err)
	}
	return re, len(program.Inst), nil
}
