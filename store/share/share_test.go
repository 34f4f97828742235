package share

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestMemoryBounds(t *testing.T) {
	t.Parallel()
	m := NewMemory(100, 150)
	a, b, c := m.Account("ann"), m.Account("ann"), m.Account("ben")
	for _, step := range []struct {
		of   *Account
		n    int64
		want string
	}{
		{a, 60, ""},
		{b, 40, ""},
		{b, 1, "this credential uses as much memory as it may (100 bytes)"},
		{c, 50, ""},
		{c, 1, "all clients together use as much memory as they may (150 bytes)"},
	} {
		got := ""
		if err := step.of.Take(step.n); err != nil {
			got = err.Error()
		}
		if got != step.want {
			t.Errorf("take %d: %q, want %q", step.n, got, step.want)
		}
	}
	var full *FullError
	if err := c.Move("ann"); !errors.As(err, &full) || full.All {
		t.Errorf("moving to an owner that is full: %v", err)
	}
	a.Close()
	a.Close()
	a.Give(60)
	if err := c.Move("ann"); err != nil || m.Held() != 90 {
		t.Errorf("after a close: %v, %d used", err, m.Held())
	}
	b.Close()
	c.Close()
	if len(m.by) != 0 || m.Held() != 0 {
		t.Errorf("left behind: %v, %d", m.by, m.used)
	}
}

// TestMemoryModel compares the sums with a plain list of what each account has.
func TestMemoryModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := NewMemory(100, 250)
		accounts := make([]*Account, 6)
		owner, used, free := make([]string, 6), make([]int64, 6), make([]int64, 6)
		for i := range accounts {
			owner[i], free[i] = fmt.Sprint(i%4), int64(i%3*10)
			accounts[i] = m.AccountAbove(owner[i], free[i])
		}
		charged := func(i int, n int64) int64 { return max(0, n-free[i]) }
		sum := func(of string) (own, all int64) {
			for i := range used {
				all += charged(i, used[i])
				if owner[i] == of {
					own += charged(i, used[i])
				}
			}
			return own, all
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, 5).Draw(t, "account")
			n := rapid.Int64Range(0, 80).Draw(t, "n")
			own, all := sum(owner[i])
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				more := charged(i, used[i]+n) - charged(i, used[i])
				want := more == 0 || own+more <= 100 && all+more <= 250
				if got := accounts[i].Take(n) == nil; got != want {
					t.Fatalf("take %d of %s: %v, want %v", n, owner[i], got, want)
				}
				if want {
					used[i] += n
				}
			case 1:
				accounts[i].Give(n)
				used[i] -= min(n, used[i])
			case 2:
				to := fmt.Sprint(n % 4)
				theirs, _ := sum(to)
				want := to == owner[i] || charged(i, used[i]) == 0 || theirs+charged(i, used[i]) <= 100
				if got := accounts[i].Move(to) == nil; got != want {
					t.Fatalf("move %d to %s: %v, want %v", used[i], to, got, want)
				}
				if want {
					owner[i] = to
				}
			}
			if _, all := sum(""); m.Held() != all {
				t.Fatalf("%d used, want %d", m.Held(), all)
			}
		}
	})
}

// TestReserved: owners with much leave room for owners with little.
func TestReserved(t *testing.T) {
	t.Parallel()
	m := NewReserved(6400, 4*6400)
	var full *FullError
	for _, owner := range []string{"a", "b", "c"} {
		if err := m.Account(owner).Take(6400); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Account("d").Take(101); !errors.As(err, &full) || !full.All {
		t.Errorf("one more that would hold much: %v", err)
	}
	for i := range 64 {
		a := m.Account(fmt.Sprint(i))
		if err := a.Take(100); err != nil {
			t.Fatalf("the %dth that holds little: %v", i, err)
		}
		if err := a.Take(1); !errors.As(err, &full) || !full.All {
			t.Errorf("more than little: %v", err)
		}
	}
	if err := m.Account("last").Take(1); !errors.As(err, &full) || !full.All || m.Held() != 4*6400 {
		t.Errorf("all is in use: %v, %d", err, m.Held())
	}
}

// TestCommon: what connections have in common is charged once, until its last user is gone.
func TestCommon(t *testing.T) {
	t.Parallel()
	m := NewMemory(1000, 1500)
	first, err := m.TakeCommon("ann", [32]byte{1}, 500)
	if err != nil {
		t.Fatal(err)
	}
	second, err := m.TakeCommon("ann", [32]byte{1}, 500)
	if err != nil || m.Held() != 500+commonBytes {
		t.Fatalf("%v, %d used", err, m.Held())
	}
	var full *FullError
	if _, err := m.TakeCommon("ann", [32]byte{2}, 500); !errors.As(err, &full) || full.All {
		t.Errorf("another one: %v", err)
	}
	theirs, err := m.TakeCommon("ben", [32]byte{1}, 500)
	if err != nil {
		t.Errorf("another owner: %v", err)
	}
	if _, err := m.TakeCommon("cid", [32]byte{1}, 500); !errors.As(err, &full) || !full.All || m.Refused() != 2 {
		t.Errorf("a third owner: %v, %d refused", err, m.Refused())
	}
	first.Release()
	first.Release()
	if m.Held() != 2*(500+commonBytes) {
		t.Errorf("%d charged to those who are left", m.Held())
	}
	second.Release()
	theirs.Release()
	if m.Held() != 0 || len(m.by)+len(m.common) != 0 {
		t.Errorf("left behind: %d, %v, %v", m.used, m.by, m.common)
	}
}

// TestSlotsRoundRobin: ann asks for many slots first; ben waits for at most one of her tasks.
func TestSlotsRoundRobin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(2, 100)
		order := make(chan string, 100)
		task := func(owner string) {
			release, err := s.Acquire(With(t.Context(), owner))
			if err != nil {
				t.Error(err)
				return
			}
			order <- owner
			time.Sleep(time.Second)
			release()
		}
		for range 6 {
			go task("ann")
		}
		synctest.Wait()
		go task("ben")
		synctest.Wait()
		go task("cid")
		time.Sleep(10 * time.Second)
		var got string
		for range 4 { // two in each second, in any order
			pair := []string{<-order, <-order}
			slices.Sort(pair)
			got += pair[0][:1] + pair[1][:1] + " "
		}
		if want := "aa bc aa aa "; got != want {
			t.Errorf("order %s, want %s", got, want)
		}
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.free != 2 || len(s.running)+len(s.waiting)+len(s.turns) != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// TestSlotsBounds: a queue is bounded, and a request that gives up leaves it.
func TestSlotsBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(1, 1)
		release, err := s.Acquire(With(t.Context(), "ann"))
		if err != nil {
			t.Fatal(err)
		}
		waits, cancel := context.WithCancel(With(t.Context(), "ann"))
		gone := make(chan error)
		go func() {
			_, err := s.Acquire(waits)
			gone <- err
		}()
		synctest.Wait()
		if _, err := s.Acquire(With(t.Context(), "ann")); !errors.Is(err, ErrQueueFull) {
			t.Errorf("a second waits: %v", err)
		}
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
		release()
		if s.free != 1 || len(s.running)+len(s.waiting)+len(s.turns) != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}
