package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// A right password is computed once, whoever waits; wrong ones wait for their turn, and too many are turned away.
func TestBoundedChecks(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	c := newChecks()
	hash, err := c.hash(ctx, "secret")
	if err != nil {
		t.Fatal(err)
	}
	ann := &Account{Hash: hash}
	if ok, err := c.verify(ctx, ann, "secret"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for range cap(c.slots) { // all processors are taken
		c.slots <- struct{}{}
	}
	var group sync.WaitGroup
	for n := range maxWaiting { // of one password one check runs
		group.Go(func() {
			if _, err := c.verify(ctx, ann, fmt.Sprint("wrong", n)); !errors.Is(err, context.Canceled) {
				t.Errorf("who waited got %v", err)
			}
		})
	}
	for c.waiting.Load() < maxWaiting {
		time.Sleep(time.Millisecond)
	}
	if _, err := c.verify(ctx, nil, "wrong"); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many got %v", err)
	}
	if ok, err := c.verify(ctx, ann, "secret"); !ok || err != nil {
		t.Errorf("who is known had to wait: %v %v", ok, err)
	}
	cancel()
	group.Wait()
	if n := c.waiting.Load(); n != 0 {
		t.Errorf("%d still wait", n)
	}
	for i := range maxChecked + 10 {
		c.remember([32]byte{byte(i), byte(i >> 8)})
	}
	if len(c.right) != maxChecked {
		t.Errorf("%d are remembered", len(c.right))
	}
}
