package query

import "strings"

var opNames = [...]string{
	"and", "or", "not", "search", "eq", "lt", "lte", "gt", "gte", "in", "between", "contains", "starts", "ends", "regex", "exists", "null", "empty", "element",
}

// String is the op's name.
func (o Op) String() string { return opNames[o] }

// String formats a condition for tests and logs, as in "and(age gt 3; name !eq~ "x")". ! negates, and ~ ignores case.
func (n Node) String() string {
	if n.Op <= Not {
		kids := make([]string, len(n.Nodes))
		for i, kid := range n.Nodes {
			kids[i] = kid.String()
		}
		return n.Op.String() + "(" + strings.Join(kids, "; ") + ")"
	}
	var b strings.Builder
	if n.Op != Search {
		b.WriteString(n.Field.path + " ")
	}
	if n.Negate {
		b.WriteByte('!')
	}
	b.WriteString(n.Op.String())
	if n.Fold {
		b.WriteByte('~')
	}
	for _, v := range n.Values {
		b.WriteString(" " + v.Raw)
	}
	for _, kid := range n.Nodes { // of Element
		b.WriteString(" (" + kid.String() + ")")
	}
	return b.String()
}
