package channel

import "slices"

// fewPatterns is the number of patterns up to which comparing all pairs is as fast as a map: with 16 patterns, both take
// 6 to 9 µs (BenchmarkNewSet).
const fewPatterns = 16

// minimal returns the patterns that no other one covers. ps must be sorted and without duplicates.
func minimal(ps []Pattern) []Pattern {
	if len(ps) < 2 || allNames(ps) {
		return ps
	}
	tryAll := func(p Pattern) bool {
		return slices.ContainsFunc(ps, func(q Pattern) bool { return q != p && q.Covers(p) })
	}
	if len(ps) <= fewPatterns {
		return slices.DeleteFunc(slices.Clone(ps), tryAll)
	}
	// A pattern that covers another one has a wider left side and a wider right side. There are few wider sides, so this
	// looks them all up. For a grant of a thousand names it takes linear time, where all pairs took 21 ms.
	present := make(map[Pattern]bool, len(ps))
	var leftLengths, rightLengths []int
	for _, p := range ps {
		present[p] = true
		leftLengths = addPrefix(leftLengths, p.Left)
		rightLengths = addPrefix(rightLengths, p.Right)
	}
	var lefts, rights []Side
	return slices.DeleteFunc(slices.Clone(ps), func(p Pattern) bool {
		lefts = p.Left.appendWider(lefts[:0], leftLengths, true)
		rights = p.Right.appendWider(rights[:0], rightLengths, false)
		if len(lefts)*len(rights) > len(ps) {
			return tryAll(p) // with prefixes of a hundred lengths: never slower than all pairs
		}
		for _, l := range lefts {
			for _, r := range rights {
				if q := (Pattern{p.Space, l, r}); q != p && present[q] {
					return true
				}
			}
		}
		return false
	})
}

// allNames reports whether no pattern covers another one because each is a name, or each is a name and a collection. Most
// grants are like that.
func allNames(ps []Pattern) bool {
	for i := range ps {
		if ps[i].Left.Kind != Exact || ps[i].Right.Kind != ps[0].Right.Kind || ps[i].Right.Kind != Exact && ps[i].Right.Kind != Open {
			return false
		}
	}
	return true
}

// addPrefix appends the length of a prefix to lengths, unless it is there.
func addPrefix(lengths []int, s Side) []int {
	if s.Kind != Prefix || slices.Contains(lengths, len(s.Text)) {
		return lengths
	}
	return append(lengths, len(s.Text))
}

// appendWider appends the sides that cover s: s itself and all wider ones, with prefixes of the given lengths.
func (s Side) appendWider(dst []Side, lengths []int, left bool) []Side {
	dst = append(dst, s)
	if s.Kind != Open {
		dst = append(dst, Side{Kind: Open})
	}
	if s.Kind <= Some {
		return dst
	}
	if !left {
		dst = append(dst, Side{Kind: Some})
	}
	for _, n := range lengths {
		if n > len(s.Text) {
			continue
		}
		if wider := (Side{Prefix, s.Text[:n]}); wider.covers(s, left) && wider != s {
			dst = append(dst, wider)
		}
	}
	return dst
}
