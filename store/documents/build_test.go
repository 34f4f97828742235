package documents_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// stepsEngine is an engine that sees the commits of derived rows alone: the steps of a build.
type stepsEngine struct {
	*memory.Engine
	step func(g *eventlog.Group) error
}

func (e *stepsEngine) Commit(g *eventlog.Group) error {
	alone := len(g.Events) == 0 && len(g.Rows) > 0
	for _, r := range g.Rows {
		alone = alone && !strings.HasPrefix(r.Key, "document/")
	}
	if alone {
		if err := e.step(g); err != nil {
			return err
		}
	}
	return e.Engine.Commit(g)
}

// old makes documents of c, as a version left them that neither counted nor indexed, and opens the log.
func old(t *testing.T, engine eventlog.Engine, n, size int) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", size)
	for from := 0; from < n; from += 100 {
		r := &eventlog.Request{}
		for i := from; i < min(n, from+100); i++ {
			put(r, i, text)
		}
		if _, err := log.Append(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

// put makes or changes a document as another process does, through the log.
func put(r *eventlog.Request, i int, text string) {
	id := fmt.Sprintf("d%05d", i)
	value := fmt.Appendf(nil, `{"_id":%q,"n":%d,"t":%q}`, id, i%10, text)
	r.Rows = append(r.Rows, eventlog.Row{Key: documents.DocumentKey("c", id), Value: value})
	r.Events = append(r.Events, eventlog.Event{Name: "post", Collection: "c", Data: value, Meta: []byte("d")})
}

// remove removes a document in the same way.
func remove(r *eventlog.Request, i int) {
	id := fmt.Sprintf("d%05d", i)
	r.Rows = append(r.Rows, eventlog.Row{Key: documents.DocumentKey("c", id)})
	r.Events = append(r.Events, eventlog.Event{Name: "delete", Collection: "c", Data: fmt.Appendf(nil, "[%q]", id), Meta: []byte("d")})
}

// TestBuildMeanwhile: documents of an old folder are counted and indexed in bounded steps, however others change them
// between two steps.
func TestBuildMeanwhile(t *testing.T) {
	t.Parallel()
	began, opened := make(chan struct{}), make(chan struct{})
	var writing sync.WaitGroup
	steps := 0
	engine := &stepsEngine{Engine: memory.Open(memory.Options{})}
	log := old(t, engine, 20_000, 10)
	defer closeLog(t, log)
	engine.step = func(g *eventlog.Group) error {
		if len(g.Rows) > 1001 {
			t.Errorf("a step stores %d rows", len(g.Rows))
		}
		if steps++; steps == 1 {
			close(began)
			writing.Wait()
		}
		for since := time.Now(); time.Since(since) < 2*time.Millisecond; { // a mutex goes to whoever has waited for 1 ms
			runtime.Gosched()
		}
		return nil
	}
	var group sync.WaitGroup
	for w := range 3 {
		writing.Add(1)
		group.Go(func() {
			<-began
			writing.Done()
			for i := 0; ; i++ {
				select {
				case <-opened:
					return
				default:
				}
				r := &eventlog.Request{}
				put(r, 3*(i*1009%10_000)+w, "other") // changed, or new in the last third
				remove(r, 3*(i*2003%6_500)+w)
				if r.Rows[0].Key == r.Rows[1].Key {
					continue
				}
				if _, err := log.Append(context.Background(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	s, err := documents.Open(t.Context(), log, documents.Options{Indexes: map[string][]string{"c": {"n", "t"}}})
	close(opened)
	group.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if n := whole(t, log, "n", "t"); s.Count("c") != int64(n) || steps < 60 {
		t.Errorf("%d of %d are counted, in %d steps", s.Count("c"), n, steps)
	}
}

// TestBuildGoesOn: an interrupted build goes on where it was, and takes no step of more than 4 MiB.
func TestBuildGoesOn(t *testing.T) {
	t.Parallel()
	steps, most := 0, 3
	engine := &stepsEngine{Engine: memory.Open(memory.Options{MaxBytes: 1 << 30})}
	log := old(t, engine, 400, 60_000) // 24 MB: six steps, and one that begins the count
	defer closeLog(t, log)
	interrupted := errors.New("interrupted")
	engine.step = func(g *eventlog.Group) error {
		if steps == most {
			return interrupted
		}
		steps++
		return nil
	}
	o := documents.Options{Indexes: map[string][]string{"c": {"n"}}}
	for most = 3; most < 13; most += 3 {
		if _, err := documents.Open(t.Context(), log, o); !errors.Is(err, interrupted) {
			t.Fatalf("%v after %d steps", err, steps)
		}
	}
	most = 13
	s, err := documents.Open(t.Context(), log, o)
	if err != nil || steps != 13 {
		t.Fatalf("%v after %d steps", err, steps)
	}
	if n := whole(t, log, "n"); n != 400 || s.Count("c") != 400 {
		t.Errorf("%d of %d are counted", s.Count("c"), n)
	}
	most = 14
	if _, err := documents.Open(t.Context(), log, documents.Options{}); err != nil || steps != 14 { // one step drops the index
		t.Fatalf("%v after %d steps", err, steps)
	}
	for r := range rows(t, log, "index") { // and its mark
		t.Errorf("%q is left", r.Key)
	}
	most = 21
	if _, err := documents.Open(t.Context(), log, o); err != nil || steps != 20 {
		t.Fatalf("%v after %d steps", err, steps)
	}
}

// TestDamagedCount: a row that is no count is made anew at the next start.
func TestDamagedCount(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	insert(t, s, "c", "a", `{}`)
	if _, err := log.Append(t.Context(), &eventlog.Request{Rows: []eventlog.Row{{Key: "counted/c", Value: []byte{0xFF}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Insert(t.Context(), "c", "", make([]documents.New, 1)); err != nil {
		t.Error(err)
	}
	again, err := documents.Open(t.Context(), log, documents.Options{})
	if err != nil || again.Count("c") != 2 {
		t.Fatal(again.Count("c"), err)
	}
	insert(t, again, "c", "b", `{}`)
	if s.Count("c") != 3 || again.Count("c") != 3 {
		t.Error(s.Count("c"), again.Count("c"))
	}
}

// TestSizeOfRequests: a text is in a request once, as its event and its row share it.
func TestSizeOfRequests(t *testing.T) {
	t.Parallel()
	engine := &groupEngine{Engine: memory.Open(memory.Options{})}
	s, log := openOn(t, engine, documents.Options{})
	defer closeLog(t, log)
	text := `{"t":"` + strings.Repeat("x", 7900) + `"}`
	docs := make([]documents.New, 960)
	ids := make([]string, len(docs))
	for i := range docs {
		ids[i] = fmt.Sprintf("d%d", i)
		docs[i] = documents.New{ID: ids[i], Fields: fields(t, text)}
	}
	texts, err := s.Insert(t.Context(), "c", "", docs)
	if err != nil {
		t.Fatal(err)
	}
	least := len(docs) * len(texts[0])
	check := func(what string) {
		t.Helper()
		t.Logf("%s: %d bytes, of which %d are documents", what, engine.size, least)
		if engine.size < least || engine.size > least+least/10 || engine.size > documents.MaxChangeBytes {
			t.Errorf("%s: %d bytes, and the documents have %d", what, engine.size, least)
		}
	}
	check("insert")
	texts, err = s.Update(t.Context(), "c", "", ids, false, func(_ string, own *documents.Fields) error {
		own.Set("n", []byte("1"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if stored, err := s.Get(t.Context(), "c", ids[i]); err != nil || string(stored) != string(text) || cap(text) != len(text) {
			t.Fatalf("%s is %.100s, %v, and the answer was %.100s", ids[i], stored, err, text)
		}
	}
	check("update")
	whole(t, log)
}

// TestRequestsAreBounded: a request has at most 8 MiB, with all that it has besides documents.
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	engine := &groupEngine{Engine: memory.Open(memory.Options{})}
	s, log := openOn(t, engine, documents.Options{MaxResult: 1 << 30})
	defer closeLog(t, log)
	most := 0
	for size := 7200; size < 8200; size += 50 {
		own := fields(t, `{"t":"`+strings.Repeat("x", size)+`"}`)
		docs := make([]documents.New, 1000)
		for i := range docs {
			docs[i] = documents.New{ID: fmt.Sprintf("%s%d-%d", strings.Repeat("d", 110), size, i), Fields: own}
		}
		var over *documents.LimitError
		if _, err := s.Insert(t.Context(), "c", "", docs); err != nil && !errors.As(err, &over) {
			t.Fatal(err)
		}
		most = max(most, engine.size)
	}
	if most > documents.MaxChangeBytes || most < documents.MaxChangeBytes-100_000 {
		t.Errorf("a request has %d bytes", most)
	}
}

// groupEngine is an engine that keeps the size of the last request.
type groupEngine struct {
	*memory.Engine
	size int
}

func (e *groupEngine) Commit(g *eventlog.Group) error {
	r := eventlog.Request{Events: g.Events}
	for _, row := range g.Rows {
		if strings.HasPrefix(row.Key, "document/") {
			r.Rows = append(r.Rows, row)
			r.If = append(r.If, eventlog.RowIs(row.Key, row.Value))
		}
	}
	e.size = r.Size()
	return e.Engine.Commit(g)
}
