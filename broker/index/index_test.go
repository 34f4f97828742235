package index

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sluice/channel"
	"sluice/channel/channeltest"
)

var (
	patterns = []string{"*", "*:*", "*:a", "*:a*", "put:a", "PUT:*", "post:ab", "goal", "goal:a", "g*", "go*:a", "go*:*", "goal:a*", "P*", "PU*:a", "$db/x", "$db/x:goal"}
	lefts    = []string{"put", "post", "Pong", "goal", "gone", "g", "x"}
	rights   = []string{"", "a", "ab", "b"}
)

// TestModel: however views are added and removed, exactly those match whose set does, each once. In the end, nothing is left.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := New[int]()
		sets := map[int]channel.Set{}
		entries := map[int]*Entry[int]{}
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				set := channeltest.Set(rapid.SliceOfN(rapid.SampledFrom(patterns), 1, 5).Draw(t, "set")...)
				sets[next], entries[next] = set, x.Add(set, next)
				next++
			},
			"remove": func(t *rapid.T) {
				if len(entries) == 0 {
					return // nothing there
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

// TestNothingGrows: while one view stays, any number of others come and go, and leave nothing.
func TestNothingGrows(t *testing.T) {
	t.Parallel()
	x := New[int]()
	set := func(i int) channel.Set {
		list := []string{"stay", fmt.Sprintf("PUT:user-%d", i), fmt.Sprintf("*:u%d*", i), fmt.Sprintf("chat-%d-*", i)}
		if i%2 == 0 {
			list = []string{"*", "$db/x", fmt.Sprintf("$db/n%d", i), fmt.Sprintf("$db/y:inbox-%d", i), fmt.Sprintf("$db/y:i%d*", i)}
		}
		return channeltest.Set(list...)
	}
	x.Add(set(-1), -1)
	x.Add(set(-2), -2)
	before := sizes(x)
	var live []*Entry[int]
	for i := range 20_000 {
		live = append(live, x.Add(set(i), i))
		if len(live) > 100 { // the middle one, so that others move
			x.Remove(live[50])
			x.Remove(live[50])
			live = slices.Delete(live, 50, 51)
		}
	}
	for _, e := range live {
		x.Remove(e)
		x.Remove(e)
	}
	if after := sizes(x); after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	if got := x.Match(channel.Of("", "stay", "u-1"), nil); len(got) != 2 {
		t.Errorf("those that stayed: %v", got)
	}
}

type size struct{ spaces, lefts, lengths, rights, references int }

// sizes counts everything in an index.
func sizes(x *Index[int]) size {
	n := size{spaces: len(x.spaces)}
	count := func(l *list[int]) { n.references += l.len() }
	each := func(r *right[int]) {
		n.lefts++
		count(&r.open)
		if r.sides == nil {
			return
		}
		n.rights += len(r.sides.exact) + len(r.sides.prefix)
		n.lengths += len(r.sides.lengths)
		if r.sides.hasAny {
			n.rights++
			count(r.sides.any)
		}
		for _, l := range r.sides.exact {
			count(l)
		}
		for _, l := range r.sides.prefix {
			count(l)
		}
	}
	for _, lefts := range x.spaces {
		n.lengths += len(lefts.lengths)
		if lefts.hasAny {
			each(lefts.any)
		}
		for _, r := range lefts.exact {
			each(r)
		}
		for _, r := range lefts.prefix {
			each(r)
		}
	}
	return n
}

func TestMatchAppends(t *testing.T) {
	t.Parallel()
	x := New[string]()
	if got := x.Match(channel.Of("", "goal", ""), []string{"before"}); !slices.Equal(got, []string{"before"}) {
		t.Errorf("an empty index: %q", got)
	}
	set := channeltest.Set("*:*", "goal", "go*", "$db/x")
	x.Add(set, "view")
	if got := x.Match(channel.Of("", "goal", "c"), []string{"before"}); !slices.Equal(got, []string{"before", "view"}) {
		t.Errorf("matched by several patterns: %q", got)
	}
	if got := x.Match(channel.Of("$db/y", "goal", "c"), nil); len(got) != 0 {
		t.Errorf("another space: %q", got)
	}
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

// BenchmarkMatch is one event that one of n views wants; each view has a different set.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x := New[int]()
			for i := range n {
				set := channeltest.Set(fmt.Sprintf("inbox-%d", i), fmt.Sprintf("PUT:user-%d", i), fmt.Sprintf("chat-%d-*", i))
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

// BenchmarkMatchAll is an event that all of n views want.
func BenchmarkMatchAll(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x := New[int]()
			for i := range n {
				set := channeltest.Set("news", fmt.Sprintf("inbox-%d", i))
				x.Add(set, i)
			}
			c := channel.Of("", "news", "")
			dst := make([]int, 0, n)
			b.ReportAllocs()
			for b.Loop() {
				dst = x.Match(c, dst[:0])
			}
			if len(dst) != n {
				b.Fatalf("%d matches", len(dst))
			}
		})
	}
}

// BenchmarkAddRemove is a view with three patterns that comes and goes beside 100,000 others.
func BenchmarkAddRemove(b *testing.B) {
	x := New[int]()
	sets := make([]channel.Set, 100_001)
	for i := range sets {
		sets[i] = channeltest.Set("news", fmt.Sprintf("inbox-%d", i), fmt.Sprintf("chat-%d-*", i))
		if i > 0 {
			x.Add(sets[i], i)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		x.Remove(x.Add(sets[0], 0))
	}
}
