package driftdb

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/broker/eventlog"
)

// Who holds a share and takes nothing goes once somebody waits for it; who takes a piece now and then stays.
func TestUnreadBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const room = 100_000
		u, quit := newUnread(room), make(chan struct{})
		go u.keep(quit)
		defer close(quit)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		// A client is what its writes do; one that is cut fails them, and its owner gives the share back.
		taken := func(client *client) *load {
			l := &load{of: u, cut: func() { client.cut.Do(func() { close(client.gone) }) }}
			if err := l.take(ctx); err != nil {
				t.Error(err)
			}
			go func() {
				defer l.done()
				client.err = l.write(client, make([]byte, 1<<20))
			}()
			return l
		}
		const shares = unreadRooms / 2
		var stalled []*client
		for range shares - 2 {
			stalled = append(stalled, newClient(0))
			taken(stalled[len(stalled)-1])
		}
		steady, busy := newClient(stall*3/4), &load{of: u, cut: func() { t.Error("who has nothing to write yet was cut") }}
		if err := busy.take(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + stall/8) // between two looks
		taken(steady)
		given, giveUp := context.WithTimeout(ctx, time.Millisecond)
		defer giveUp()
		if err := (&load{of: u}).take(given); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("there was more than the budget: %v", err)
		}
		time.Sleep(stall)
		synctest.Wait()
		for _, c := range stalled {
			if c.err != nil {
				t.Fatal("it was cut though nobody waits")
			}
		}
		began, late := time.Now(), &load{of: u}
		if err := late.take(ctx); err != nil || time.Since(began) > 2*stall {
			t.Errorf("it waited for %s: %v", time.Since(began), err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, c := range stalled {
			if !errors.Is(c.err, net.ErrClosed) {
				t.Errorf("a stalled one ended with %v", c.err)
			}
		}
		if steady.err != nil || steady.taken != 1<<20 {
			t.Errorf("the steady one took %d: %v", steady.taken, steady.err)
		}
		// What is read is weighed, and what is given back can be had.
		late.weigh([]eventlog.Event{{Data: make([]byte, 1000)}})
		if want := int64(1201); late.weight != want {
			t.Errorf("it weighs %d, want %d", late.weight, want)
		}
		for range 2 {
			late.done()
			busy.done()
		}
		if !u.budget.TryAcquire(unreadRooms*room) || len(u.loads) != 0 {
			t.Error("not all was given back")
		}
	})
}

// client takes a piece each time that its pace has passed, or never.
type client struct {
	pace  time.Duration
	gone  chan struct{}
	cut   sync.Once
	taken int
	err   error
}

func newClient(pace time.Duration) *client { return &client{pace: pace, gone: make(chan struct{})} }

func (c *client) Write(b []byte) (int, error) {
	var ready <-chan time.Time
	if c.pace > 0 {
		ready = time.After(c.pace)
	}
	select {
	case <-ready:
		c.taken += len(b)
		return len(b), nil
	case <-c.gone:
		return 0, net.ErrClosed
	}
}
