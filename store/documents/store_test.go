package documents_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tb is what testing.T and rapid.T have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// open opens a store on a file system, or in memory if that is nil.
func open(t tb, fs vfs.FS, o documents.Options) (*documents.Store, *eventlog.Log) {
	t.Helper()
	if fs == nil {
		return openOn(t, memory.Open(memory.Options{}), o)
	}
	engine, err := pebble.Open(pebble.Options{Dir: "data", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, engine, o)
}

// openIn opens a store in a folder.
func openIn(t tb, dir string, o documents.Options) (*documents.Store, *eventlog.Log) {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, engine, o)
}

func openOn(t tb, engine eventlog.Engine, o documents.Options) (*documents.Store, *eventlog.Log) {
	t.Helper()
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if o.QueryTime == 0 {
		o.QueryTime = time.Minute // longer than any test takes
	}
	s, err := documents.Open(context.Background(), log, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

func closeLog(t tb, log *eventlog.Log) {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func fields(t tb, text string) documents.Fields {
	t.Helper()
	f, _, err := documents.ParseFields([]byte(text))
	if err != nil {
		t.Fatal(text, err)
	}
	return f
}

func insert(t tb, s *documents.Store, collection, id, text string) {
	t.Helper()
	if _, err := s.Insert(context.Background(), collection, "ann", []documents.New{{ID: id, Fields: fields(t, text)}}); err != nil {
		t.Fatal(err)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 9, 30, 0, 123_999_999, time.FixedZone("", 3600))
	s, log := open(t, vfs.NewMem(), documents.Options{Now: func() time.Time { return at }})
	defer closeLog(t, log)
	f, id, err := documents.ParseFields([]byte(` { "_id" : "x" , "b" : [ 1 , "ü\u0041" ] , "_version":9, "a\"":12345678901234567890 } `))
	if err != nil || id != "x" {
		t.Fatal(id, err)
	}
	texts, err := s.Insert(context.Background(), "c", `a"b`, []documents.New{{ID: id, Fields: f}})
	if err != nil {
		t.Fatal(err)
	}
	const meta = `,"_created":"2026-11-21T08:30:00.123Z","_changed":"2026-11-21T08:30:00.123Z","_createdby":"a\"b","_changedby":`
	if want := `{"_id":"x","b":[1,"ü\u0041"],"a\"":12345678901234567890` + meta + `"a\"b","_version":1}`; string(texts[0]) != want {
		t.Errorf("got  %s\nwant %s", texts[0], want)
	}
	texts, err = s.Update(context.Background(), "c", "ben", []string{"x"}, false, func(_ string, own *documents.Fields) error {
		own.Set("b", []byte("null"))
		own.Delete(`a"`)
		own.Merge(fields(t, `{"n":1}`))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"_id":"x","b":null,"n":1` + meta + `"ben","_version":2}`; string(texts[0]) != want {
		t.Errorf("got  %s\nwant %s", texts[0], want)
	}
	if got, err := s.Get(context.Background(), "c", "x"); err != nil || string(got) != string(texts[0]) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestBadShapes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "1", "[]", "null", "{", "{}x", `{} {}`, `{"a":1,"a":2}`, `{"a":}`, `{a:1}`, `{"a":01}`, `{"a":NaN}`, "{\"a\":\"\xff\"}",
		`{"a":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + "}", `{"a":{"b":1,"b":2}}`,
	} {
		if _, _, err := documents.ParseFields([]byte(text)); !errors.Is(err, documents.ErrShape) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	for _, text := range []string{"{}", " {}\n", `{"a":{}}`, `{"":1}`, `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", `{"a":"[{[\"[\\"}`} {
		if _, _, err := documents.ParseFields([]byte(text)); err != nil {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func FuzzParseFields(f *testing.F) {
	for _, s := range []string{`{"_id":"a","b":[1,{"c":"\ud83d\ude00"}]}`, `{"a":1,"a":2}`, "{}", `{"a":"\u2028"}`} {
		f.Add(s)
	}
	s, log := open(f, nil, documents.Options{})
	f.Cleanup(func() { log.Close() })
	f.Fuzz(func(t *testing.T, text string) {
		own, _, err := documents.ParseFields([]byte(text))
		if err != nil {
			return
		}
		texts, err := s.Insert(context.Background(), "c", "", []documents.New{{Fields: own}})
		if errors.As(err, new(*documents.LimitError)) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		again, id, err := documents.ParseFields(texts[0])
		if err != nil || id != documents.ID(texts[0]) || fmt.Sprint(again) != fmt.Sprint(own) {
			t.Errorf("%q became %s: %v", text, texts[0], err)
		}
		if strings.ContainsAny(string(texts[0]), "\r\n") {
			t.Errorf("%q has a line's end", texts[0])
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, log := open(t, vfs.NewMem(), documents.Options{MaxDocument: 300, MaxDocuments: 3, MaxBytes: 600, MaxCollections: 2})
	defer closeLog(t, log)
	insert(t, s, "c", "a", "{}")
	insert(t, s, "c", "b", "{}")
	insert(t, s, "d", "a", `{"a":"`+strings.Repeat("x", 100)+`"}`)
	many := make([]documents.New, 1001)
	for name, test := range map[string]struct {
		do   func() error
		want string
	}{
		"id taken": {func() error {
			_, err := s.Insert(ctx, "c", "", []documents.New{{ID: "a"}})
			return err
		}, "the collection has a document with this id already: \"a\""},
		"id twice": {func() error {
			_, err := s.Insert(ctx, "c", "", []documents.New{{ID: "z"}, {ID: "z"}})
			return err
		}, "the collection has a document with this id already: \"z\""},
		"bad id": {func() error {
			_, err := s.Insert(ctx, "c", "", []documents.New{{ID: "a/b"}})
			return err
		}, documents.ErrID.Error()},
		"bad collection": {func() error {
			_, err := s.Insert(ctx, "a.b", "", []documents.New{{}})
			return err
		}, documents.ErrCollection.Error()},
		"none": {func() error {
			_, err := s.Insert(ctx, "c", "", nil)
			return err
		}, documents.ErrShape.Error() + ": the request has none"},
		"many": {func() error {
			_, err := s.Insert(ctx, "c", "", many)
			return err
		}, "more than 1000 documents at once; send them in several requests"},
		"documents": {func() error {
			_, err := s.Insert(ctx, "c", "", []documents.New{{}, {}})
			return err
		}, "the collection would have more than 3 documents (MAX_DOCUMENTS)"},
		"document": {func() error {
			_, err := s.Insert(ctx, "d", "", []documents.New{{Fields: fields(t, `{"a":"`+strings.Repeat("x", 300)+`"}`)}})
			return err
		}, "the document would have more than 300 bytes (MAX_DOCUMENT)"},
		"bytes": {func() error {
			large := documents.New{Fields: fields(t, `{"a":"`+strings.Repeat("x", 100)+`"}`)}
			_, err := s.Insert(ctx, "d", "", []documents.New{large, large})
			return err
		}, "the collection would have more than 600 bytes (MAX_COLLECTION_BYTES)"},
		"collections": {func() error {
			_, err := s.Insert(ctx, "e", "", []documents.New{{}})
			return err
		}, "there would be more than 2 collections (MAX_COLLECTIONS)"},
		"update of none": {func() error {
			_, err := s.Update(ctx, "c", "", []string{"a", "z"}, false, func(_ string, f *documents.Fields) error { f.Set("x", []byte("1")); return nil })
			return err
		}, `there is no such document: "z"`},
		"remove of none": {func() error {
			_, err := s.Remove(ctx, "c", []string{"a", "z"}, false)
			return err
		}, `there is no such document: "z"`},
		"get of none": {func() error {
			_, err := s.Get(context.Background(), "z", "a")
			return err
		}, `there is no such document: "a"`},
	} {
		if err := test.do(); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if got, err := s.Get(context.Background(), "c", "a"); err != nil || strings.Contains(string(got), `"x"`) {
		t.Errorf("a refused change was stored: %s, %v", got, err)
	}
	if n := s.Count("c"); n != 2 {
		t.Errorf("%d", n)
	}
	// A change that makes room is accepted.
	if gone, err := s.Remove(ctx, "c", []string{"z", "a"}, true); err != nil || fmt.Sprint(gone) != "[a]" {
		t.Error(gone, err)
	}
	insert(t, s, "c", "a", "{}")
}

// Writers of one document wait for each other: no update is lost, and none is tried again.
func TestNoUpdateIsLost(t *testing.T) {
	t.Parallel()
	for name, fs := range map[string]vfs.FS{"pebble": vfs.NewMem(), "memory": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, log := open(t, fs, documents.Options{})
			insert(t, s, "c", "n", `{"n":0}`)
			const writers, each = 16, 1000
			var group sync.WaitGroup
			tries := 0 // the document's lock guards it
			for range writers {
				group.Go(func() {
					for range each {
						_, err := s.Update(context.Background(), "c", "", []string{"n"}, false, func(_ string, own *documents.Fields) error {
							tries++
							n := 0
							if _, err := fmt.Sscan(string(own.Get("n")), &n); err != nil {
								return err
							}
							own.Set("n", fmt.Append(nil, n+1))
							return nil
						})
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			closeLog(t, log)
			if fs != nil {
				s, log = open(t, fs, documents.Options{})
				defer closeLog(t, log)
			}
			got, err := s.Get(context.Background(), "c", "n")
			if fs == nil {
				return // not durable, and closed
			}
			if want := fmt.Sprintf(`{"_id":"n","n":%d,`, writers*each); err != nil || !strings.HasPrefix(string(got), want) {
				t.Errorf("%s, %v", got, err)
			}
			if tries != writers*each {
				t.Errorf("%d tries", tries)
			}
		})
	}
}
