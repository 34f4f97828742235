package channel

import "strings"

// part is a pattern of a set: where its sides are in the set's text.
type part struct {
	at                 uint32 // where the pattern's text begins
	space, left, right uint8  // lengths; those of the sides are without *
	kinds              uint8  // of the left side, and of the right one in the upper half
}

// Each length fits into a byte: this does not compile otherwise.
const _ = uint8(len(RoomSpace) + MaxName)

// packed makes a set of patterns that are sorted and minimal.
func packed(ps []Pattern) Set {
	if len(ps) == 0 {
		return Set{}
	}
	var text strings.Builder
	n := len(ps) - 1
	for i := range ps {
		n += ps[i].textLength()
	}
	text.Grow(n)
	parts := make([]part, len(ps))
	for i, p := range ps {
		if i > 0 {
			text.WriteByte(',')
		}
		parts[i] = part{
			at: uint32(text.Len()), space: uint8(len(p.Space)), left: uint8(len(p.Left.Text)), right: uint8(len(p.Right.Text)),
			kinds: uint8(p.Left.Kind) | uint8(p.Right.Kind)<<4,
		}
		p.write(&text)
	}
	return Set{text.String(), parts}
}

// of returns the pattern. Its texts are parts of the set's. The order of the parts of a text is that of Pattern.write.
func (p part) of(text string) Pattern {
	text = text[p.at:]
	out := Pattern{Left: Side{Kind: Kind(p.kinds & 15)}, Right: Side{Kind: Kind(p.kinds >> 4)}}
	if p.space > 0 {
		out.Space = text[:p.space]
		if out.Left.Kind == Open {
			return out
		}
		text = text[p.space+1:]
	}
	out.Left.Text = text[:p.left]
	if p.right > 0 {
		begin := int(p.left) + 1
		if out.Left.Kind != Exact {
			begin++ // the *
		}
		out.Right.Text = text[begin : begin+int(p.right)]
	}
	return out
}
