package query

import "unsafe"

// The memory of parts of a compiled query, besides their texts, as measured by TestSize.
const (
	fieldBytes   = 16  // a name of a field's path
	patternBytes = 256 // an instruction of a regular expression
	treeBytes    = 320 // a name of a projection
)

// Size is about the memory of the condition, in bytes.
func (c *Condition) Size() int64 {
	if c == nil {
		return 0
	}
	return c.root.heap() + int64(unsafe.Sizeof(*c))
}

// heap is the memory of a node besides the struct itself.
func (n *node) heap() int64 {
	size := n.Field.heap() + int64(len(n.text)) + int64(patternBytes*n.size)
	for _, o := range []*operands{n.values, n.highs} {
		if o != nil {
			size += int64(unsafe.Sizeof(*o)) + int64(8*cap(o.numbers)+cap(o.kinds)+4*cap(o.ends)+len(o.text))
		}
	}
	size += int64(cap(n.nodes)) * int64(unsafe.Sizeof(node{}))
	for i := range n.nodes {
		size += n.nodes[i].heap()
	}
	return size
}

func (f *Field) heap() int64 { return int64(len(f.path) + fieldBytes*len(f.names)) }

// Size is about the memory of the order, in bytes.
func (o Order) Size() int64 {
	size := int64(cap(o)) * int64(unsafe.Sizeof(Term{}))
	for i := range o {
		size += o[i].Field.heap()
	}
	return size
}

// Size is about the memory of the projection, in bytes.
func (p Projection) Size() int64 { return p.tree.heap() }

func (t *tree) heap() int64 {
	if t == nil {
		return 0
	}
	size := int64(unsafe.Sizeof(*t))
	for name, below := range t.fields {
		size += treeBytes + int64(len(name)) + below.heap()
	}
	return size
}
