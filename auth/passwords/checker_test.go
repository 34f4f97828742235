package passwords

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/bcrypt"

	"sluice/auth/peer"
	"sluice/store/share"
)

// takeAll takes all processors of a checker, for an owner that no test uses.
func takeAll(c *Checker) (giveBack func()) {
	slots := make([]func(), c.turns.n)
	for i := range slots {
		var err error
		if slots[i], err = c.turns.take(share.With(context.Background(), "all")); err != nil {
			panic(err)
		}
	}
	return func() {
		for _, release := range slots {
			release()
		}
	}
}

// During a flood of passwords from one address, another address waits for only one of them, and is not refused.
func TestFloodOfOneAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		c := Cheap()
		giveBack := takeAll(c)
		var group sync.WaitGroup
		var busy, checked atomic.Int32
		for n := range 2 * maxWaiting {
			group.Go(func() {
				_, err := c.Verify(ctx, Attempt{From: "192.0.2.1", Name: fmt.Sprint(n), Password: "wrong"})
				if errors.Is(err, ErrBusy) {
					busy.Add(1)
				} else {
					checked.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := busy.Load(); n != maxWaiting {
			t.Errorf("%d of the flood were turned away", n)
		}
		result := make(chan error)
		group.Go(func() {
			_, err := c.Verify(ctx, Attempt{From: "192.0.2.2", Name: "ann", Password: "wrong"})
			result <- err
		})
		synctest.Wait()
		giveBack()
		err := <-result
		if n := int(checked.Load()); err != nil || n > 2*c.turns.n {
			t.Errorf("it waited for %d of the flood: %v", n, err)
		}
		cancel()
		group.Wait()
	})
}

// A right password is computed once for all that wait. Wrong ones wait for their turn, and too many are refused.
func TestBoundedChecks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		c := Cheap()
		hash, err := c.Hash(ctx, "secret")
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := c.Verify(ctx, Attempt{Name: "ann", Hash: hash, Password: "secret"}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		takeAll(c) // all processors are taken
		var group sync.WaitGroup
		for n := range maxWaiting { // of one password one check runs
			group.Go(func() {
				if _, err := c.Verify(ctx, Attempt{Name: fmt.Sprint("ann", n), Hash: hash, Password: "wrong"}); !errors.Is(err, context.Canceled) {
					t.Errorf("who waited got %v", err)
				}
			})
		}
		synctest.Wait()
		if n := c.turns.waiting.Load(); n != maxWaiting {
			t.Errorf("%d wait", n)
		}
		for _, of := range []string{hash, ""} {
			if _, err := c.Verify(ctx, Attempt{Name: "bob", Hash: of, Password: "wrong"}); !errors.Is(err, ErrBusy) {
				t.Errorf("one too many got %v", err)
			}
		}
		if _, err := c.Hash(share.With(ctx, peer.Owner("", "")), "other"); !errors.Is(err, ErrBusy) {
			t.Errorf("one too many to hash got %v", err)
		}
		if ok, err := c.Verify(ctx, Attempt{Name: "ann", Hash: hash, Password: "secret"}); !ok || err != nil {
			t.Errorf("who is known had to wait: %v %v", ok, err)
		}
		cancel()
		group.Wait()
		if n := c.turns.waiting.Load(); n != 0 {
			t.Errorf("%d still wait", n)
		}
		for i := range maxChecked + 10 {
			c.remember([32]byte{byte(i), byte(i >> 8)})
		}
		if len(c.right) != maxChecked {
			t.Errorf("%d are remembered", len(c.right))
		}
	})
}

// The time does not reveal whether a name exists. Many tries at once with one name and one password cost one check, whether
// the name is known or not. Two names cost two checks.
func TestUnknownCostsTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c := Cheap()
		hash, err := c.Hash(ctx, "secret")
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range []string{hash, ""} {
			giveBack := takeAll(c) // all processors are taken
			var group sync.WaitGroup
			for n := range 10 {
				group.Go(func() {
					if ok, err := c.Verify(ctx, Attempt{Name: fmt.Sprint("name", n%2), Hash: of, Password: "wrong"}); ok || err != nil {
						t.Errorf("%v, %v", ok, err)
					}
				})
			}
			synctest.Wait()
			if n := c.turns.waiting.Load(); n != 2 {
				t.Errorf("%d checks for two names, known: %v", n, of != "")
			}
			giveBack()
			group.Wait()
		}
		for hash, want := range map[string]int{New().nobody: cost, c.nobody: bcrypt.MinCost} {
			if n, err := bcrypt.Cost([]byte(hash)); n != want || err != nil {
				t.Errorf("the hash of nobody costs %d, %v", n, err)
			}
		}
	})
}

// A client that gives up does not take away the result from others that wait for the same check.
func TestCheckOfWhoGaveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		c := Cheap()
		hash, err := c.Hash(ctx, "secret")
		if err != nil {
			t.Fatal(err)
		}
		giveBack := takeAll(c) // all processors are taken
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := c.Verify(ctx, Attempt{Name: "ann", Hash: hash, Password: "secret"}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		group.Go(func() {
			if ok, err := c.Verify(context.Background(), Attempt{Name: "ann", Hash: hash, Password: "secret"}); !ok || err != nil {
				t.Error(ok, err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		giveBack()
		group.Wait()
	})
}

// A password over 72 bytes is never right, although bcrypt ignores the further bytes.
func TestTooLong(t *testing.T) {
	t.Parallel()
	ctx, c := context.Background(), Cheap()
	right := strings.Repeat("x", Max)
	hash, err := c.Hash(ctx, right)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for password, want := range map[string]bool{right: true, right + "x": false, right[1:]: false} {
			if ok, err := c.Verify(ctx, Attempt{Name: "ann", Hash: hash, Password: password}); ok != want || err != nil {
				t.Errorf("%d bytes: %v, %v", len(password), ok, err)
			}
		}
	}
	if _, err := c.Hash(ctx, right+"x"); err == nil {
		t.Error("it was hashed")
	}
	if _, err := c.Verify(ctx, Attempt{Name: "ann", Hash: "no hash", Password: "secret"}); err == nil {
		t.Error("what is no hash was compared")
	}
}
