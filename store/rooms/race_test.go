package rooms

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/store/eventlog"
)

// failing is an engine of which every fifth commit fails and stores nothing.
type failing struct {
	eventlog.Engine
	commits int
}

func (f *failing) Commit(g *eventlog.Group) error {
	if f.commits++; f.commits%5 == 0 {
		return eventlog.ErrDiskFull
	}
	return f.Engine.Commit(g)
}

// stored are the pushes that were stored, by room.
type stored struct {
	mu sync.Mutex
	by map[string][]eventlog.Event
}

func (s *stored) add(id string, e eventlog.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by[id] = append(s.by[id], e)
}

// Whoever pushes while rooms are dropped and made by two stores, and while commits fail, loses nothing that was stored: a
// drop removes only what is older than the position that it was given. No number is given twice in the life of a room. The
// number of rooms stays right in both stores.
func TestPushesAgainstDrops(t *testing.T) {
	t.Parallel()
	for name, engine := range engines {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, commits fail: %t", name, fails), func(t *testing.T) {
				t.Parallel()
				pushes := 150
				if fails {
					pushes = 5 // each failure delays all by 100 ms
				}
				a, _ := openRooms(t, func() (eventlog.Engine, error) {
					engine, err := engine()
					if fails {
						engine = &failing{Engine: engine}
					}
					return engine, err
				})
				pushAgainstDrops(t, [2]*Rooms{a, openStore(t, a.o.Log, 24*time.Hour)}, pushes)
			})
		}
	}
}

func pushAgainstDrops(t *testing.T, stores [2]*Rooms, pushes int) {
	const writers, rooms = 16, 8
	ctx, log := context.Background(), stores[0].o.Log
	var newest atomic.Uint64 // the position of the newest drop
	has := func(id, text string, at func() uint64) {
		found := false
		if _, err := log.Keyed(ctx, Space(id), nil, func(e eventlog.Event) error {
			found = found || string(e.Data) == text
			return nil
		}); err != nil {
			t.Error(err)
		}
		if before := newest.Load(); !found && at() >= before {
			t.Errorf("room %s has lost %s at %d; the newest drop was of rooms before %d", id, text, at(), before)
		}
	}
	gone, leave := context.WithCancel(ctx)
	leave()
	all := stored{by: map[string][]eventlog.Event{}}
	var left, droppers sync.WaitGroup
	for writer := range writers {
		r := stores[writer%2]
		left.Go(func() {
			random := rand.New(rand.NewPCG(uint64(writer), 0))
			for i := range pushes {
				id, text := fmt.Sprint("r", random.IntN(rooms)), fmt.Sprintf("[%d,%d]", writer, i)
				givesUp := random.IntN(2) == 0
				p, done := push(id, text), make(chan struct{})
				p.Stored = func() { close(done) }
				err := eventlog.ErrNoSpace
				for errors.Is(err, eventlog.ErrNoSpace) { // the other store has dropped the room since it was entered
					err = visit(ctx, r, id, func() error {
						if givesUp {
							_, _ = log.Append(gone, p)
							return nil
						}
						_, err := log.Append(ctx, p)
						return err
					})
				}
				if err != nil {
					t.Error(err)
					return
				}
				if givesUp { // it is stored or refused before the next request
					if _, err := log.Append(ctx, &eventlog.Request{}); err != nil {
						t.Error(err)
					}
				}
				select {
				case <-done:
					has(id, text, func() uint64 { return p.Events[0].ID })
					all.add(id, p.Events[0])
				default:
					if !givesUp {
						t.Errorf("%s was answered and is not stored", text)
					}
				}
			}
		})
	}
	var end atomic.Bool
	var drops [rooms]int
	var total atomic.Int64
	var mu sync.Mutex
	for _, r := range stores {
		droppers.Go(func() {
			for !end.Load() {
				before := log.Settled()
				for _, s := range allRooms(t, r) {
					mu.Lock() // the newest drop
					newest.Store(max(before, newest.Load()))
					mu.Unlock()
					n, err := r.drop(ctx, []eventlog.KeyedSpace{s}, before, time.Hour)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					drops[idOf(s.Space)[1]-'0'] += n
					mu.Unlock()
					total.Add(int64(n))
				}
			}
		})
	}
	left.Wait()
	end.Store(true)
	droppers.Wait()
	if total.Load() == 0 {
		t.Error("no room was dropped")
	}
	for id, events := range all.by {
		slices.SortFunc(events, func(a, b eventlog.Event) int { return int(int64(a.ID) - int64(b.ID)) })
		lives := 0
		for i, e := range events {
			if e.Seq == 1 {
				lives++
			} else if i == 0 || e.Seq != events[i-1].Seq+1 {
				t.Errorf("room %s: push %d has the number %d", id, i, e.Seq)
			}
		}
		if most := drops[id[1]-'0'] + 1; lives > most {
			t.Errorf("room %s: the numbers began %d times, it was dropped %d times", id, lives, most-1)
		}
	}
	list := allRooms(t, stores[0])
	made := 0
	for _, r := range stores {
		if n := r.Count(); n != len(list) {
			t.Errorf("%d rooms are counted, %d exist", n, len(list))
		}
		made += r.makers.count[key("k").Owner]
	}
	if made != len(list) {
		t.Errorf("their maker has %d of %d", made, len(list))
	}
	t.Logf("%d rooms were dropped", total.Load())
}
