package channel

import "testing"

// BenchmarkNarrow narrows a thousand names by a grant that has all of them.
func BenchmarkNarrow(b *testing.B) {
	var asked []Pattern
	for _, text := range numbered("a-channel-with-a-longer-name-%04d", 1000) {
		p, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		asked = append(asked, p)
	}
	grant := NewSet(asked...)
	for b.Loop() {
		if set, err := grant.Narrow(asked); err != nil || set.Len() != len(asked) {
			b.Fatal(set.Len(), err)
		}
	}
}
