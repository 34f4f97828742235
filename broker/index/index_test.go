package index

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sluice/broker/channel"
)

var (
	patterns = []string{"*", "*:*", "*:a", "*:a*", "put:a", "PUT:*", "post:ab", "goal", "goal:a", "g*", "go*:a", "go*:*", "goal:a*", "$db/x", "$db/x:goal"}
	lefts    = []string{"put", "post", "goal", "gone", "g", "x"}
	rights   = []string{"", "a", "ab", "b"}
)

// TestModel: through any adding and removing, exactly those match whose set does, each once, and nothing
// stays behind.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := New[int]()
		sets := map[int]channel.Set{}
		entries := map[int]*Entry[int]{}
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				set, err := channel.ParseSet(rapid.SliceOfN(rapid.SampledFrom(patterns), 1, 5).Draw(t, "set"))
				if err != nil {
					t.Fatal(err)
				}
				sets[next], entries[next] = set, x.Add(set, next)
				next++
			},
			"remove": func(t *rapid.T) {
				if len(entries) == 0 {
					t.Skip("nothing there")
				}
				keys := make([]int, 0, len(entries))
				for k := range entries {
					keys = append(keys, k)
				}
				slices.Sort(keys)
				k := rapid.SampledFrom(keys).Draw(t, "entry")
				x.Remove(entries[k])
				delete(entries, k)
				delete(sets, k)
			},
			"match": func(t *rapid.T) {
				c := channel.Of(rapid.SampledFrom([]string{"", "$db/x", "$db/y"}).Draw(t, "space"), rapid.SampledFrom(lefts).Draw(t, "left"), rapid.SampledFrom(rights).Draw(t, "right"))
				var want []int
				for k, set := range sets {
					if set.Match(c) {
						want = append(want, k)
					}
				}
				got := x.Match(c, nil)
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("%s: got %v, want %v of %v", c, got, want, sets)
				}
			},
		})
		for _, e := range entries {
			x.Remove(e)
		}
		if len(x.spaces) > 0 {
			t.Fatalf("%d spaces stay behind", len(x.spaces))
		}
	})
}

func TestMatchAllocatesNothing(t *testing.T) {
	x := New[int]()
	x.Add(channel.Everything(), 1)
	c := channel.Of("", "put", "customer")
	dst := make([]int, 0, 4)
	if n := testing.AllocsPerRun(100, func() { dst = x.Match(c, dst[:0]) }); n != 0 || len(dst) != 1 {
		t.Errorf("%v allocations, %d matches", n, len(dst))
	}
}

// BenchmarkMatch is one event of which one view of n wants to know, each view with a set of its own.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x := New[int]()
			for i := range n {
				set, err := channel.ParseSet([]string{fmt.Sprintf("inbox-%d", i), fmt.Sprintf("PUT:user-%d", i), fmt.Sprintf("chat-%d-*", i)})
				if err != nil {
					b.Fatal(err)
				}
				x.Add(set, i)
			}
			c := channel.Of("", "inbox-7", "")
			dst := make([]int, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				dst = x.Match(c, dst[:0])
			}
			if len(dst) != 1 {
				b.Fatalf("%d matches", len(dst))
			}
		})
	}
}
