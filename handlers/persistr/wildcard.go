package persistr

import (
	"slices"
	"strings"
)

// Bounds of types with * or ?. The hub matches each event against them while its mutex is locked: one feed's take 25 µs for
// the longest type, and 50 ns for most.
const (
	wildcardBytes = 1024 // of one reader's, together
	wildcardFeeds = 64   // feeds of one credential that differ in them; those that do not differ are matched once for all
)

// wildcards matches types against patterns in which * stands for any text and ? for any character. It is one automaton
// for all of them, whose states are bits: a byte of a type takes a few operations for every 64 states, and nothing is
// tried twice. So the time is linear in the length of a type, whatever the patterns are.
//
// State i of a pattern means that its first i bytes have matched, stars not counted. Patterns and types are UTF-8, read
// byte by byte: a state behind ? stays alive over the rest of a character, in which no byte of a pattern can match.
type wildcards struct {
	words int        // of 64 states each
	rows  []uint64   // the sets of states that a byte can lead to, words each
	row   [256]uint8 // which of them is a byte's
	begin []uint64   // the states before the first byte
	loops []uint64   // the states before *, which any byte leaves as they are
	chars []uint64   // the states behind ?, which the rest of a character leaves as they are
	final []uint64   // the states in which a pattern has matched
}

// newWildcards compiles patterns, of wildcardBytes at most.
func newWildcards(patterns []string) *wildcards {
	states := 0
	for _, p := range patterns {
		states += 1 + len(p) - strings.Count(p, "*")
	}
	words := (states + 63) / 64
	sets := make([]uint64, 4*words)
	w := &wildcards{words: words, begin: sets[:words], loops: sets[words : 2*words], chars: sets[2*words : 3*words], final: sets[3*words:]}
	literal := map[byte][]int{} // the states that a byte leads to
	state := 0
	for _, p := range patterns {
		set(w.begin, state)
		for i := range len(p) {
			if p[i] == '*' {
				set(w.loops, state)
				continue
			}
			if state++; p[i] == '?' {
				set(w.chars, state)
			} else {
				literal[p[i]] = append(literal[p[i]], state)
			}
		}
		set(w.final, state)
		state++
	}
	w.compile(literal)
	return w
}

// compile makes the rows. Row 0 is of the bytes within a character and row 1 of those that begin one; each byte that a
// pattern names has its own.
func (w *wildcards) compile(literal map[byte][]int) {
	w.rows = append(make([]uint64, w.words), w.chars...)
	for b := range 256 {
		shared := uint8(1)
		if continues(byte(b)) {
			shared = 0
		}
		named := literal[byte(b)]
		if len(named) == 0 {
			w.row[b] = shared
			continue
		}
		own := slices.Clone(w.rows[int(shared)*w.words : int(shared+1)*w.words])
		for _, state := range named {
			set(own, state)
		}
		w.row[b] = uint8(len(w.rows) / w.words) // UTF-8 has fewer than 256 different bytes, * and ? are not among these
		w.rows = append(w.rows, own...)
	}
}

func set(states []uint64, state int) { states[state/64] |= 1 << (state % 64) }

// continues reports whether a byte is one of a character of UTF-8, but not its first.
func continues(b byte) bool { return b&0xc0 == 0x80 }

// match reports whether one of the patterns matches a text.
func (w *wildcards) match(text string) bool {
	var buffer [wildcardBytes/64 + 4]uint64
	states := append(buffer[:0], w.begin...)
	for i := range len(text) {
		at := int(w.row[text[i]]) * w.words
		row, loops, chars := w.rows[at:at+len(states)], w.loops[:len(states)], w.chars[:len(states)]
		within := uint64(0)
		if continues(text[i]) {
			within = ^within
		}
		carry, alive := uint64(0), uint64(0)
		for j, before := range states {
			next := (before<<1|carry)&row[j] | before&(loops[j]|within&chars[j])
			carry = before >> 63
			states[j] = next
			alive |= next
		}
		if alive == 0 {
			return false
		}
	}
	for j := range states {
		if states[j]&w.final[j] != 0 {
			return true
		}
	}
	return false
}
