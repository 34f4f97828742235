package driftdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/eventlog"
	"sluice/store/share"
)

// Who holds a share and takes nothing goes once somebody waits for it; who takes a piece now and then stays.
func TestUnreadBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		owner := 0
		next := func(ctx context.Context) context.Context { // each is of another address
			owner++
			return share.With(ctx, fmt.Sprint(owner))
		}
		const room = 100_000
		u, quit := newUnread(room, 0), make(chan struct{})
		go u.keep(quit, slog.New(slog.DiscardHandler))
		defer close(quit)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		// A client is what its writes do; one that is cut fails them, and its owner gives the share back.
		taken := func(client *client) *load {
			l := &load{of: u, cut: func() { client.cut.Do(func() { close(client.gone) }) }}
			if err := l.take(next(ctx)); err != nil {
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
		if err := busy.take(next(ctx)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + stall/8) // between two looks
		taken(steady)
		given, giveUp := context.WithTimeout(ctx, time.Millisecond)
		defer giveUp()
		if err := (&load{of: u}).take(next(given)); !errors.Is(err, context.DeadlineExceeded) {
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
		if err := late.take(next(ctx)); err != nil || time.Since(began) > 2*stall {
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
		for _, half := range []string{"a", "b"} {
			if _, err := u.budget.Take(share.With(given, half), unreadRooms*room/2); err != nil || len(u.loads) != 0 {
				t.Error("not all was given back")
			}
		}
	})
}

// An address that reads slowly, on many connections, leaves half of the budget to others, and two of them that hold all
// of it, and would for hours, make way within a minute.
func TestUnreadBudgetIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u, quit := newUnread(100_000, 0), make(chan struct{})
		go u.keep(quit, slog.New(slog.DiscardHandler))
		defer close(quit)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		answer := make([]byte, 64<<20) // which takes them three hours
		crowd := func(address string) {
			for range 100 {
				go func() {
					for ctx.Err() == nil {
						c := newClient(stall / 2)
						l := &load{of: u, cut: func() { c.cut.Do(func() { close(c.gone) }) }}
						if l.take(share.With(ctx, address)) == nil {
							_ = l.write(c, answer) // it is cut
						}
						l.done()
					}
				}()
			}
		}
		wait := func() time.Duration {
			began := time.Now()
			l := &load{of: u}
			if err := l.take(share.With(ctx, "bystander")); err != nil {
				t.Error(err)
			}
			l.done()
			return time.Since(began)
		}
		crowd("ann")
		time.Sleep(time.Hour)
		if took := wait(); took != 0 {
			t.Errorf("with one address: %s", took)
		}
		crowd("ben")
		time.Sleep(time.Hour)
		if took := wait(); took > maxAge+2*stall {
			t.Errorf("with two: %s", took)
		}
		cancel()
		time.Sleep(3 * time.Hour)
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
