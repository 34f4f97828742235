package documents_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/documents"
	"sluice/store/share"
)

// A scan is answered however many scans others run, whether it is cheap or takes all of its time: time spent waiting
// does not count.
func TestScansTakeTurns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		owners, each int           // hostile credentials, and the scans of each at once
		work         time.Duration // of the bystander, for each of 60 documents
		within       time.Duration
	}{
		{1, 40, time.Millisecond, time.Second},
		{1, 40, 15 * time.Millisecond, 4 * time.Second},
		{6, 40, time.Millisecond, 2 * time.Second},
		{6, 40, 15 * time.Millisecond, 15 * time.Second},
	} {
		t.Run(fmt.Sprint(tt.owners, tt.work), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, log := open(t, nil, documents.Options{QueryTime: time.Second})
				defer closeLog(t, log)
				for range 60 {
					insert(t, s, "c", "", `{"t":"`+strings.Repeat("a", 60<<10)+`"}`)
				}
				ctx, cancel := context.WithCancel(t.Context())
				for i := range tt.owners {
					for range tt.each {
						go func() {
							for ctx.Err() == nil {
								err := s.Each(share.With(ctx, fmt.Sprint("hostile", i)), "c", nil, slowly(40*time.Millisecond))
								if err == nil {
									t.Error("a hostile scan was answered: it is to take longer than it may")
								}
								time.Sleep(time.Millisecond)
							}
						}()
					}
				}
				time.Sleep(10 * time.Second)
				for range 5 {
					began := time.Now()
					if err := s.Each(share.With(ctx, "bystander"), "c", nil, slowly(tt.work)); err != nil || time.Since(began) > tt.within {
						t.Errorf("after %s: %v", time.Since(began), err)
					}
				}
				cancel()
				time.Sleep(time.Minute)
			})
		})
	}
}

// slowly takes this long for each document.
func slowly(work time.Duration) func([]byte) error {
	return func([]byte) error {
		time.Sleep(work)
		return nil
	}
}

// A query has QUERY_TIME, however it spends it.
func TestQueryTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := open(t, nil, documents.Options{QueryTime: time.Second})
		defer closeLog(t, log)
		for range 60 {
			insert(t, s, "c", "", `{"t":"`+strings.Repeat("a", 60<<10)+`"}`)
		}
		began := time.Now()
		if err := s.Each(t.Context(), "c", nil, slowly(40*time.Millisecond)); !errors.Is(err, documents.ErrTime) || time.Since(began) > 1200*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// One credential's answers, however many wait to be read, leave as much memory to others.
func TestMemoryOfAnswersIsShared(t *testing.T) {
	t.Parallel()
	memory := share.NewAnswers(32<<20, 60<<20)
	s, log := open(t, nil, documents.Options{Answers: memory})
	defer closeLog(t, log)
	inserting, inserted := context.WithCancel(t.Context())
	for range 60 {
		one := documents.New{Fields: fields(t, `{"t":"`+strings.Repeat("a", 60<<10)+`"}`)}
		if _, err := s.Insert(inserting, "large", "", []documents.New{one}); err != nil {
			t.Fatal(err)
		}
	}
	inserted()
	for deadline := time.Now().Add(10 * time.Second); memory.Held() > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	ctx, written := context.WithCancel(t.Context())
	defer written()
	ask := func(owner string) error {
		_, err := s.Find(share.With(ctx, owner), "large", &documents.Query{Limit: 60})
		return err
	}
	fill := func(owner string) (n int) {
		for n < 100 && ask(owner) == nil {
			n++
		}
		return n
	}
	if n := fill("ann"); n != 4 { // 7.2 MB each, of 32 MiB
		t.Errorf("ann: %d", n)
	}
	if err := ask("ben"); err != nil {
		t.Errorf("ben: %v", err)
	}
	if n := fill("ben"); n != 3 {
		t.Errorf("ben: %d more", n)
	}
	if err := ask("cid"); !errors.Is(err, documents.ErrMemory) {
		t.Errorf("cid: %v", err)
	}
}

// However many bulk changes one credential runs, a writer of one document waits for at most one of them, and so does
// another credential's bulk change.
func TestBulkChangesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := open(t, nil, documents.Options{})
		defer closeLog(t, log)
		var ids []string
		for i := range 600 { // enough for every shard
			ids = append(ids, fmt.Sprint(i))
			insert(t, s, "c", ids[i], `{}`)
		}
		update := func(owner string, ids []string, takes time.Duration) {
			_, err := s.Update(share.With(t.Context(), owner), "c", owner, ids, false, func(id string, own *documents.Fields) error {
				if id == ids[0] {
					time.Sleep(takes)
				}
				own.Set("n", []byte("1"))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		for range 50 {
			go update("ann", ids, time.Second)
		}
		synctest.Wait()
		began := time.Now()
		update("ben", ids[:1], 0)
		if took := time.Since(began); took > time.Second {
			t.Errorf("one document waited %s", took)
		}
		began = time.Now()
		update("ben", ids, 0)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a bulk change waited %s", took)
		}
		time.Sleep(2 * time.Minute)
	})
}
