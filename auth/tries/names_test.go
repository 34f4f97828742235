package tries

import (
	"testing"
	"testing/synctest"
)

// The tables have a largest size, and names without tries left are removed last.
func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		names := NewNames()
		ann := Digest{0, 0, 0, 2}
		for range ofName.Burst {
			end, ok := names.Begin(Digests{Name: ann, From: ann, Both: ann})
			if !ok {
				t.Fatal("refused")
			}
			end(Wrong)
		}
		for n := range maxBuckets + maxBuckets/10 {
			one := Digest{byte(n), byte(n >> 8), byte(n >> 16), 1}
			who := Digests{one, one, one}
			end, ok := names.Begin(who)
			if !ok {
				t.Fatal("refused")
			}
			if end(Undone); n < 2*maxKnown {
				names.Know(who)
			}
		}
		if n, f, k := len(names.names.all), len(names.froms.all), len(names.known); n > maxBuckets || f > maxBuckets || k > maxKnown {
			t.Errorf("%d names, %d addresses, %d known", n, f, k)
		}
		if names.Open(Digests{Name: ann}) {
			t.Error("the name that used up its tries was forgotten")
		}
	})
}
