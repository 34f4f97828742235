package passwords

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth/tries"
)

// The limits of auth/tries.
const (
	nameTries, nameEvery = 10, 6 * time.Second
	fromTries, fromEvery = 30, 2 * time.Second
)

// login is a checker with the user ann, whose password is secret.
type login struct {
	t    *testing.T
	c    *Checker
	hash string
}

func newLogin(t *testing.T) *login {
	t.Helper()
	c := Cheap()
	hash, err := c.Hash(context.Background(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	return &login{t, c, hash}
}

// as returns the result of an attempt: right, wrong, or too many.
func (l *login) as(from, name, password string) string {
	l.t.Helper()
	a := Attempt{From: from, Name: name, Password: password}
	if name == "ann" {
		a.Hash = l.hash
	}
	ok, err := l.c.Verify(context.Background(), a)
	switch {
	case errors.As(err, new(*TriesError)):
		return "too many"
	case err != nil:
		l.t.Fatal(err)
	case ok:
		return "right"
	}
	return "wrong"
}

func (l *login) wants(from, name, password, want string) {
	l.t.Helper()
	if got := l.as(from, name, password); got != want {
		l.t.Errorf("%s at %s with %s: %s, want %s", name, from, password, got, want)
	}
}

// fails tries n wrong passwords, without computing hashes.
func (l *login) fails(from, name string, n int) {
	l.t.Helper()
	for range n {
		end, ok := l.c.tries.Begin(l.c.digests(name, from))
		if !ok {
			l.t.Fatalf("%s at %s has no tries left", name, from)
		}
		end(tries.Wrong)
	}
}

// A name has a number of wrong passwords from all addresses together, and then one more in each interval. Above that, the
// answer is the same for the right password, remembered or not. An unknown name is treated as a known one.
func TestTriesOfName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ann", "nobody"} {
		synctest.Test(t, func(t *testing.T) {
			l := newLogin(t)
			for range 2 {
				for n := range nameTries {
					l.wants(fmt.Sprint("192.0.2.", n), name, fmt.Sprint("wrong", n), "wrong")
				}
				l.wants("198.51.100.1", name, "wrong", "too many")
				l.wants("198.51.100.1", name, "secret", "too many")
				time.Sleep(nameEvery - time.Nanosecond)
				l.wants("198.51.100.1", name, "wrong", "too many")
				time.Sleep(time.Nanosecond)
				l.wants("198.51.100.1", name, "wrong", "wrong")
				l.wants("198.51.100.1", name, "wrong", "too many")
				l.wants("198.51.100.1", name+"2", "wrong", "wrong")
				time.Sleep(nameTries * nameEvery)
			}
		})
	}
}

// Right passwords cost no tries. A name gets separate tries at an address where it has signed in, so strangers who guess
// elsewhere do not lock it out there, whether its password is remembered or not. An address without tries left still
// accepts a remembered password, but cannot guess it.
func TestTriesOfOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		for range 2 * fromTries {
			l.wants("192.0.2.1", "ann", "secret", "right")
		}
		l.wants("192.0.2.2", "ann", "secret", "right") // remembered, and noted
		l.fails("198.51.100.1", "ann", nameTries)
		l.wants("198.51.100.1", "ann", "secret", "too many")
		l.wants("192.0.2.1", "ann", "secret", "right")
		clear(l.c.right)
		l.wants("192.0.2.2", "ann", "mistyped", "wrong")
		l.wants("192.0.2.2", "ann", "secret", "right")

		for n := range fromTries { // a neighbour's
			l.fails("192.0.2.1", fmt.Sprint("name", n), 1)
		}
		l.wants("192.0.2.1", "name", "wrong", "too many")
		l.wants("192.0.2.1", "ann", "secret", "right")
		for n := range nameTries {
			l.wants("192.0.2.1", "ann", fmt.Sprint("guess", n), "too many")
		}
		l.wants("192.0.2.1", "ann", "secret", "too many")
		l.wants("192.0.2.2", "ann", "secret", "right")
		time.Sleep(nameEvery)
		l.wants("192.0.2.1", "ann", "secret", "right")
	})
}

// An address has a number of wrong passwords for all names together. With IPv6, the network counts as the address.
func TestTriesOfAddress(t *testing.T) {
	t.Parallel()
	for first, same := range map[string]string{
		"192.0.2.1": "::ffff:192.0.2.1", "2001:db8:1:2::1": "2001:db8:1:2:ffff::1", "fe80::1%eth0": "fe80::2", "": "", "a proxy's": "a proxy's",
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLogin(t)
			l.wants(first, "name", "wrong", "wrong")
			for n := range fromTries - 1 {
				l.fails(first, fmt.Sprint("name", n), 1)
			}
			l.wants(same, "another", "wrong", "too many")
			l.wants("2001:db8:1:3::1", "another", "wrong", "wrong")
			time.Sleep(fromEvery)
			l.wants(same, "another", "wrong", "wrong")
			l.wants(first, "another", "wrong", "too many")
		})
	}
}

// Attempts at the same time are no more than attempts one after another. An address pays for its own later.
func TestTriesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		atOnce := func(name func(n int) string) map[string]int {
			giveBack := takeAll(l.c) // all processors are taken
			var mu sync.Mutex
			var group sync.WaitGroup
			got := map[string]int{}
			for n := range 50 {
				group.Go(func() {
					is := l.as("192.0.2.1", name(n), fmt.Sprint("guess", n))
					mu.Lock()
					defer mu.Unlock()
					got[is]++
				})
			}
			synctest.Wait()
			giveBack()
			group.Wait()
			return got
		}
		if got := atOnce(func(int) string { return "ann" }); got["wrong"] != nameTries || got["too many"] != 50-nameTries {
			t.Error(got)
		}
		if got := atOnce(func(n int) string { return fmt.Sprint("name", n) }); got["wrong"] != 50 {
			t.Error(got)
		}
		time.Sleep((50 + nameTries - fromTries) * fromEvery)
		l.wants("192.0.2.1", "ann", "wrong", "too many")
		time.Sleep(fromEvery)
		l.wants("192.0.2.1", "ann", "wrong", "wrong")
	})
}

// An address without tries left does not reveal which names exist, there or elsewhere: its tries are charged to no name.
func TestExhaustedAddressTellsNoName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t)
		l.wants("192.0.2.9", "ann", "secret", "right") // and is remembered
		for n := range fromTries {
			l.fails("192.0.2.1", fmt.Sprint("name", n), 1)
		}
		for n := range 2 * nameTries {
			for _, name := range []string{"ann", "nobody"} {
				l.wants("192.0.2.1", name, fmt.Sprint("guess", n), "too many")
				l.wants("192.0.2.1", name, "secret", "too many") // a guess of what is remembered, or a first sign-in from here
			}
		}
		for _, name := range []string{"ann", "nobody"} {
			l.wants("198.51.100.1", name, "guess", "wrong")
		}
	})
}
