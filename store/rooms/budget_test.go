package rooms

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/eventlog"
	"sluice/store/share"
)

// An address that posts as much as it can leaves others their share of a room's rate: their requests wait for a turn.
// If the address is alone, its excess requests are refused at once.
func TestPostsShareTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 10
		r := &Rooms{rooms: map[string]*room{"r": {budget: newBudget(perSecond)}}}
		r.o.Limits.Rate = perSecond
		ctx := t.Context()
		flood, cancel := context.WithCancel(ctx)
		post := func(owner string) (took time.Duration, err error) {
			began := time.Now()
			err = r.Allow(share.With(ctx, owner), "r", eventlog.Append)
			return time.Since(began), err
		}
		for i := range 2 * perSecond {
			if took, err := post("ann"); (err == nil) != (i < perSecond) || took != 0 {
				t.Errorf("push %d of one who is alone took %s: %v", i, took, err)
			}
		}
		var taken atomic.Int64
		for range 10 {
			go func() {
				for flood.Err() == nil {
					if _, err := post("ann"); err == nil {
						taken.Add(1)
					}
					time.Sleep(5 * time.Millisecond)
				}
			}()
		}
		time.Sleep(10 * time.Second)
		for i := range 20 {
			if took, err := post("ben"); err != nil || took > 3*time.Second/perSecond {
				t.Errorf("push %d of the other took %s: %v", i, took, err)
			}
		}
		// One request of each address waits, and none waits long.
		for _, owner := range strings.Split("cdefghijklmnopqrstuvwxyz", "") {
			go func() { _, _ = post(owner) }()
		}
		time.Sleep(time.Microsecond)
		if took, err := post("ann"); err == nil || took != 0 {
			t.Errorf("a second push waited %s: %v", took, err)
		}
		if took, err := post("other"); err == nil || took != 0 {
			t.Errorf("behind more than a second of pushes one waited %s: %v", took, err)
		}
		cancel()
		time.Sleep(time.Minute)
		for i := range 2 * perSecond {
			if took, err := post("ann"); (err == nil) != (i <= perSecond) || took != 0 {
				t.Errorf("push %d of one who is alone again took %s: %v", i, took, err)
			}
			if i == 0 {
				time.Sleep(2 * time.Second) // the others came first
			}
		}
		if waiting := r.rooms["r"].users.waiting; len(waiting) != 0 {
			t.Errorf("left behind: %v", waiting)
		}
		if n := taken.Load(); n < 10*perSecond/2 {
			t.Errorf("only %d were taken", n)
		}
	})
}
