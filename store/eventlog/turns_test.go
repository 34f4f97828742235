package eventlog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestQueueTakesTurns: one owner's many requests delay another owner's by only one of them.
func TestQueueTakesTurns(t *testing.T) {
	t.Parallel()
	q := newQueue(1 << 30)
	push := func(owner string, n int) {
		for range n {
			if !q.push(&pending{request: &Request{Events: []Event{{}}}, size: groupBytes}, owner) {
				t.Fatal("there is no room")
			}
		}
	}
	push("ann", 5)
	push("ben", 2)
	push("cid", 1)
	var order strings.Builder
	for q.head != nil {
		order.WriteString(q.head.owner[:1])
		if got := len(q.take(nil, groupBytes)); got != 1 {
			t.Fatalf("%d requests of 4 MiB in a commit", got)
		}
	}
	if got := order.String(); got != "abcabaaa" {
		t.Error(got)
	}
}

// TestQueueModel: everything that went in comes out, each owner's requests in order. An edit, or a run, is alone in its commit,
// and a barrier comes after everything older. No commit is larger than allowed, and no owner has more than half of the
// queue.
func TestQueueModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const most = 4 * groupBytes
		q := newQueue(most)
		in := map[string][]*pending{}
		barrier := map[*pending]bool{}
		number := map[*pending]int{} // order of arrival
		bytes := func(owner string) (n int) {
			for _, p := range in[owner] {
				n += p.size
			}
			return n
		}
		all := func() (n int) {
			for owner := range in {
				n += bytes(owner)
			}
			return n
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "take") > 0 {
				owner := fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "owner"))
				p := &pending{request: &Request{Events: []Event{{}}}, size: rapid.IntRange(0, groupBytes).Draw(t, "size")}
				kind := rapid.IntRange(0, 9).Draw(t, "kind")
				barrier[p] = kind < 4
				switch kind {
				case 0:
					p.request.Edit = &Edit{}
				case 1:
					p.request.Events = nil
				case 2:
					p.request.Events, p.request.Rows = nil, []Row{{}}
				case 3:
					p.request.Events, p.request.Run = nil, true
				}
				want := (all() == 0 || all()+p.size <= most) && (len(in[owner]) == 0 || bytes(owner)+p.size <= most/2)
				if q.push(p, owner) != want {
					t.Fatalf("pushed: %v", !want)
				}
				if want {
					in[owner] = append(in[owner], p)
					number[p] = len(number)
				}
				continue
			}
			size, batch := 0, q.take(nil, groupBytes)
			if len(batch) == 0 && all() > 0 {
				t.Fatal("nothing was taken")
			}
			for i, p := range batch {
				size += p.size
				alone, owner := p.request.Edit != nil || p.request.Run, ""
				for o, list := range in {
					if len(list) > 0 && list[0] == p {
						owner = o
					} else if barrier[p] && len(list) > 0 && number[list[0]] < number[p] {
						t.Fatal("a barrier went before what came before it")
					}
				}
				if owner == "" || alone && len(batch) > 1 || i > 0 && size > groupBytes {
					t.Fatalf("request %d of %d, %d bytes", i, len(batch), size)
				}
				in[owner] = slices.Delete(in[owner], 0, 1)
			}
			if q.bytes != all() {
				t.Fatalf("%d bytes, want %d", q.bytes, all())
			}
		}
	})
}
