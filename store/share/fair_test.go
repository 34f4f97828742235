package share

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestSlotsFair: while an owner without a slot waits, each other owner begins at most one task. Tasks never have more
// slots than there are, nor more than their owner may have. A slot is free only if nobody can use it.
func TestSlotsFair(t *testing.T) {
	t.Parallel()
	type task struct {
		slot *Slot
		w    *waiter // nil: the task has begun
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 5).Draw(t, "n")
		perOwner := rapid.Int64Range(1, n).Draw(t, "perOwner")
		s := NewUnits(n, perOwner, math.MaxInt)
		var tasks []*task
		begun := map[string]map[string]int{} // for each owner that waits without a slot: the tasks that others have begun since
		check := func() {
			running, all := map[string]int64{}, int64(0)
			waits := map[string]bool{}
			maps.DeleteFunc(begun, func(owner string, _ map[string]int) bool { // owners that gave up
				return !slices.ContainsFunc(tasks, func(k *task) bool { return k.w != nil && k.slot.owner == owner })
			})
			var began []string
			for _, k := range tasks {
				if k.w == nil {
					continue
				}
				select {
				case <-k.w.ready:
					k.w = nil
					began = append(began, k.slot.owner)
					delete(begun, k.slot.owner)
				default:
				}
			}
			for _, owner := range began {
				for _, others := range begun {
					if others[owner]++; others[owner] > 1 {
						t.Fatalf("%s began twice while another waited", owner)
					}
				}
			}
			for _, k := range tasks {
				if waits[k.slot.owner] = waits[k.slot.owner] || k.w != nil; k.w == nil {
					running[k.slot.owner] += k.slot.n
					all += k.slot.n
				}
			}
			for owner, some := range waits {
				if running[owner] > perOwner {
					t.Fatalf("%s has %d", owner, running[owner])
				}
				if some && running[owner] == 0 && begun[owner] == nil {
					begun[owner] = map[string]int{}
				} else if running[owner] > 0 || !some {
					delete(begun, owner)
				}
			}
			if all > n || s.free != n-all {
				t.Fatalf("%d in use of %d, %d free", all, n, s.free)
			}
			if next, ok := s.next(); ok && s.waiting[next][0].n <= s.free {
				t.Fatalf("%s waits for nothing", next)
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			at := rapid.IntRange(0, max(0, len(tasks)-1)).Draw(t, "task")
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what < 2 || len(tasks) == 0:
				k := &task{slot: &Slot{of: s, owner: fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "owner")), n: rapid.Int64Range(1, perOwner).Draw(t, "slots")}}
				k.w, _ = s.enqueue(k.slot) // never refused
				tasks = append(tasks, k)
			case tasks[at].w == nil: // done
				tasks[at].slot.Release()
				tasks = slices.Delete(tasks, at, at+1)
			default: // gives up
				gone, cancel := context.WithCancel(context.Background())
				cancel()
				if err := tasks[at].slot.ready(gone, tasks[at].w); err == nil {
					t.Fatal("it waited")
				}
				tasks = slices.Delete(tasks, at, at+1)
			}
			check()
		}
	})
}

// TestSlotsFirst: an owner with a slot gets another only while no owner without a slot waits. It gives way only to an
// owner with fewer slots.
func TestSlotsFirst(t *testing.T) {
	t.Parallel()
	s := NewSlots(2, 10)
	begin := func(owner string) (*Slot, *waiter) {
		slot := &Slot{of: s, owner: owner, n: 1}
		w, err := s.enqueue(slot)
		if err != nil {
			t.Fatal(err)
		}
		return slot, w
	}
	anns, _ := begin("ann")
	cids, _ := begin("cid")
	_, second := begin("ann")
	bens, first := begin("ben")
	if cids.Release(); len(s.waiting["ben"]) != 0 || len(s.waiting["ann"]) != 1 {
		t.Fatalf("ann has a slot and got another before ben got one: %v", s.waiting)
	}
	<-first.ready
	if bens.Waited() || anns.Waited() {
		t.Error("ben is to give way to ann, who has as much, or ann to herself")
	}
	bens.Release()
	<-second.ready
	begin("ben")
	if !anns.Waited() {
		t.Error("ann, who has two slots, is not to give way to ben, who has none")
	}
}

// TestYield: a long task gives way to another owner's task, and goes on before the other tasks of its own owner.
func TestYield(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(1, 10)
		ann, ben := With(t.Context(), "ann"), With(t.Context(), "ben")
		long, err := s.Take(ann, 1)
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 10)
		task := func(ctx context.Context, name string) {
			slot, err := s.Take(ctx, 1)
			if err != nil {
				t.Error(err)
				return
			}
			order <- name
			slot.Release()
		}
		go task(ann, "ann's second")
		synctest.Wait()
		if err := long.Yield(ann); err != nil || len(order) != 0 {
			t.Errorf("nobody else waits: %v, %d", err, len(order))
		}
		go task(ben, "ben")
		synctest.Wait()
		if err := long.Yield(ann); err != nil {
			t.Error(err)
		}
		order <- "ann goes on"
		synctest.Wait()
		long.Release()
		synctest.Wait()
		for _, want := range []string{"ben", "ann goes on", "ann's second"} {
			if got := <-order; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		// A task that gives up while it waits to go on has no slot.
		if long, err = s.Take(ann, 1); err != nil {
			t.Fatal(err)
		}
		go func() {
			slot, err := s.Take(ben, 1)
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Minute)
			slot.Release()
		}()
		synctest.Wait()
		gone, cancel := context.WithTimeout(ann, time.Second)
		defer cancel()
		if err := long.Yield(gone); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		long.Release()
		time.Sleep(time.Hour)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.free != 1 || len(s.running)+len(s.waiting)+len(s.turns) != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}
