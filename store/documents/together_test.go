package documents_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/documents"
	"sluice/store/eventlog"
)

// openTwo opens two stores on one log in memory.
func openTwo(t *testing.T, o documents.Options) (*eventlog.Log, [2]*documents.Store) {
	t.Helper()
	a, log := open(t, nil, o)
	b, err := documents.Open(context.Background(), log, o)
	if err != nil {
		t.Fatal(err)
	}
	return log, [2]*documents.Store{a, b}
}

// TestTwoStores: what one store makes or removes, another one on the same log shows, counts and bounds at once.
func TestTwoStores(t *testing.T) {
	t.Parallel()
	log, s := openTwo(t, documents.Options{MaxDocuments: 3, MaxCollections: 2, Indexes: map[string][]string{"c": {"n"}}})
	defer closeLog(t, log)
	ctx := t.Context()
	for i := range 3 {
		insert(t, s[0], "c", strconv.Itoa(i), fmt.Sprintf(`{"n":%d}`, i))
	}
	r, err := s[1].Find(ctx, "c", &documents.Query{Order: order("n"), Limit: 1, Total: true})
	if err != nil || r.Total != 3 || s[1].Count("c") != 3 || documents.ID(r.Documents[0]) != "2" {
		t.Errorf("%d of %d, %v", len(r.Documents), r.Total, err)
	}
	var over *documents.LimitError
	if _, err := s[1].Insert(ctx, "c", "", make([]documents.New, 1)); !errors.As(err, &over) || over.Setting != documents.MaxDocuments {
		t.Error(err)
	}
	if _, err := s[1].Insert(ctx, "c", "", []documents.New{{ID: "1"}}); !errors.As(err, &over) {
		t.Error(err)
	}
	insert(t, s[1], "d", "", `{}`)
	if _, err := s[0].Insert(ctx, "e", "", make([]documents.New, 1)); !errors.As(err, &over) || over.Setting != documents.MaxCollections {
		t.Error(err)
	}
	if _, err := s[1].Remove(ctx, "c", []string{"1"}, false); err != nil {
		t.Fatal(err)
	}
	if n := s[0].Count("c"); n != 2 {
		t.Errorf("%d are counted", n)
	}
	if _, err := s[0].Remove(ctx, "c", []string{"1"}, false); !errors.Is(err, documents.ErrNotFound) {
		t.Error(err)
	}
	insert(t, s[0], "c", "1", `{}`)
	if _, err := s[1].Remove(ctx, "c", []string{"0"}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s[1].Insert(ctx, "c", "", []documents.New{{ID: "1"}}); !errors.Is(err, documents.ErrTaken) {
		t.Error(err)
	}
}

// TestTwoStoresRace: after hundreds of racing changes by two stores, each id was made once, and documents, events,
// indexes and counts agree.
func TestTwoStoresRace(t *testing.T) {
	t.Parallel()
	log, s := openTwo(t, documents.Options{Indexes: map[string][]string{"c": {"n", "t"}}})
	defer closeLog(t, log)
	ctx, cancel := context.WithCancel(t.Context())
	var made [200]int
	var mu sync.Mutex
	var writers, makers sync.WaitGroup
	for w := range uint64(4) {
		writers.Go(func() { write(ctx, t, s[w%2], rand.New(rand.NewPCG(3, w))) })
		makers.Go(func() {
			for i := range made {
				_, err := s[w%2].Insert(ctx, "c", "", []documents.New{{ID: fmt.Sprintf("made%d", i)}})
				if err == nil {
					mu.Lock()
					made[i]++
					mu.Unlock()
				} else if !errors.Is(err, documents.ErrTaken) {
					t.Error(err)
				}
			}
		})
	}
	makers.Wait()
	cancel()
	writers.Wait()
	for i, n := range made {
		if n != 1 {
			t.Errorf("%d was made %d times", i, n)
		}
	}
	n := whole(t, log, "n", "t")
	if a, b := s[0].Count("c"), s[1].Count("c"); a != int64(n) || b != int64(n) {
		t.Errorf("%d and %d are counted, %d are there", a, b, n)
	}
}

// increment adds 1 to a document's n.
func increment(_ string, own *documents.Fields) error {
	n, err := strconv.Atoi(string(own.Get("n")))
	own.Set("n", strconv.AppendInt(nil, int64(n+1), 10))
	return err
}

// TestIncrementTogether: writers of one document in two stores lose no change, and none is refused.
func TestIncrementTogether(t *testing.T) {
	t.Parallel()
	log, s := openTwo(t, documents.Options{})
	defer closeLog(t, log)
	insert(t, s[0], "c", "n", `{"n":0}`)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for range 100 {
				if _, err := s[w%2].Update(t.Context(), "c", "", []string{"n"}, false, increment); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	text, err := s[1].Get(t.Context(), "c", "n")
	if _, own, _ := documents.ParseFields(text); err != nil || own != "n" {
		t.Fatal(err)
	}
	if f := fields(t, string(text)); string(f.Get("n")) != "800" {
		t.Errorf("%s of 800", f.Get("n"))
	}
}

// TestBusyInTime: a change that others always overtake ends after its time, or with its client.
func TestBusyInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, s := openTwo(t, documents.Options{})
		defer closeLog(t, log)
		insert(t, s[0], "c", "n", `{"n":0}`)
		tries := 0
		overtaken := func(id string, own *documents.Fields) error {
			tries++
			if _, err := s[1].Update(t.Context(), "c", "", []string{"n"}, false, increment); err != nil {
				t.Error(err)
			}
			return increment(id, own)
		}
		began := time.Now()
		_, err := s[0].Update(t.Context(), "c", "", []string{"n"}, false, overtaken)
		if took := time.Since(began); !errors.Is(err, documents.ErrBusy) || took < 9*time.Second || took > 11*time.Second || tries < 100 {
			t.Errorf("after %s and %d tries: %v", took, tries, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err = s[0].Update(ctx, "c", "", []string{"n"}, false, overtaken); !errors.Is(err, documents.ErrBusy) || time.Since(began) > 2*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// TestBoundTogether: writers fill a collection up to its bound exactly. None is refused because others are about to be
// answered, or will be refused themselves.
func TestBoundTogether(t *testing.T) {
	t.Parallel()
	const most = 300
	s, log := open(t, nil, documents.Options{MaxDocuments: most})
	defer closeLog(t, log)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range most {
				_, err := s.Insert(t.Context(), "c", "", []documents.New{{ID: strconv.Itoa(i)}})
				if err != nil && !errors.Is(err, documents.ErrTaken) {
					var over *documents.LimitError
					if n := s.Count("c"); !errors.As(err, &over) || n != most {
						t.Errorf("with %d documents: %v", n, err)
					}
				}
			}
		})
	}
	group.Wait()
	if n := s.Count("c"); n != most {
		t.Errorf("%d documents", n)
	}
}

// TestTotalIsOfTheAnswer: the total is as of the moment of the answer.
func TestTotalIsOfTheAnswer(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	group.Go(func() {
		for ctx.Err() == nil {
			s.Insert(ctx, "c", "", make([]documents.New, 5))
			s.Remove(ctx, "c", []string{"a"}, true)
			s.Insert(ctx, "c", "", []documents.New{{ID: "a"}})
		}
	})
	for range 300 {
		// Each answer is one request's: its memory is free again when that request is over.
		request, over := context.WithCancel(t.Context())
		r, err := s.Find(request, "c", &documents.Query{Limit: -1, Total: true})
		over()
		if err != nil {
			t.Fatal(err)
		}
		if r.Total != int64(len(r.Documents)) {
			t.Fatalf("%d documents, total %d", len(r.Documents), r.Total)
		}
	}
}
