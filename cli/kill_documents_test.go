package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const documentKeys = `API_KEYS=[{"name":"test","key":"` + testKey + `","sub":["*:*"],"pub":["*"],"rest":["*:*"]}]`

// ask calls a door of documents; the error is that of a gateway which is gone.
func (s *server) ask(t *testing.T, method, path, body string) (string, error) {
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", testKey)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= http.StatusMultipleChoices {
		t.Errorf("%s %s %s: %s %s", method, path, body, answer.Status, text)
	}
	return string(text), err
}

// changesSeen is what a reader of /realtime makes of the changes: the version of each document.
type changesSeen struct {
	last     string // id
	versions map[string]int
}

// follow reads changes until the gateway is gone, or a document is there.
func (c *changesSeen) follow(t *testing.T, s *server, until string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	query := "?channels=POST:c,PUT:c,DELETE:c"
	if c.last != "" {
		query += "&lastEventId=" + c.last
	}
	for e := range frames(t, s.get(t, ctx, query).Body) {
		if e.ID != "" {
			c.last = e.ID
		}
		var message struct {
			Event string
			Data  json.RawMessage
		}
		if err := json.Unmarshal([]byte(e.Data), &message); err != nil {
			t.Error(err)
		}
		switch e.Name {
		case "gap":
			t.Error("a gap:", e.Data)
		case "post":
			var d struct {
				ID string `json:"_id"`
			}
			if json.Unmarshal(message.Data, &d) != nil || c.versions[d.ID] != 0 {
				t.Errorf("%s was made, and is there already", message.Data)
			}
			c.versions[d.ID] = 1
		case "put":
			var id string
			if json.Unmarshal(message.Data, &id) != nil || c.versions[id] == 0 {
				t.Errorf("%s was changed, and is not there", message.Data)
			}
			c.versions[id]++
		case "delete":
			var ids []string
			if json.Unmarshal(message.Data, &ids) != nil {
				t.Errorf("%s", message.Data)
			}
			for _, id := range ids {
				if c.versions[id] == 0 {
					t.Errorf("%s was deleted, and is not there", id)
				}
				delete(c.versions, id)
			}
		}
		if until != "" && c.versions[until] != 0 {
			return
		}
	}
	if until != "" {
		t.Errorf("%s did not come", until)
	}
}

// counted reads a Directus subscription on the counter until the gateway is gone: each change of it by one, none twice.
func counted(t *testing.T, s *server) (last int) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(s.url, "http", "ws", 1)+"/websocket?access_token="+testKey, nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.MessageText, []byte(`{"type":"subscribe","collection":"c","query":{"filter":{"who":{"_eq":"counter"}}}}`)); err != nil {
		t.Error(err)
	}
	for {
		_, text, err := ws.Read(ctx)
		if err != nil {
			return last
		}
		var m struct {
			Event string
			Data  []struct{ N int }
		}
		switch err := json.Unmarshal(text, &m); {
		case err != nil:
			if !strings.Contains(string(text), `"delete"`) { // which has ids, and is sent regardless of the filter
				t.Errorf("%s: %v", text, err)
			}
		case len(m.Data) != 1:
			t.Errorf("got %s", text)
		case m.Event == "init":
			last = m.Data[0].N
		case m.Event == "update":
			if m.Data[0].N != last+1 {
				t.Errorf("%d came after %d", m.Data[0].N, last)
			}
			last = m.Data[0].N
		}
	}
}

// list are the documents that a condition selects, by their ids.
func (s *server) list(t *testing.T, condition string) map[string]listed {
	text, err := s.ask(t, http.MethodGet, `/rest/c?metafields=true&h={"$max":100000}&q=`+condition, "")
	var all []listed
	if err == nil {
		err = json.Unmarshal([]byte(text), &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]listed{}
	for _, d := range all {
		byID[d.ID] = d
	}
	return byID
}

type listed struct {
	ID      string `json:"_id"`
	Who     string `json:"who"`
	N       int    `json:"n"`
	Version int    `json:"_version"`
}

// TestKillDocuments: kill -9 while documents are made, counted up, changed two at once and deleted through both doors. What
// was acknowledged is there, indexes agree with the documents, and each change is just one event to who resumes.
func TestKillDocuments(t *testing.T) {
	t.Parallel()
	for _, durability := range []string{"process", "disk"} {
		t.Run(durability, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			env := []string{documentKeys, "COLLECTION_INDEXES=c:who,n", "DURABILITY=" + durability, "PUBLISH_RATE=0"}
			s := start(t, dir, env...)
			reader := &changesSeen{versions: map[string]int{}}
			reader.last = firstID(t, s)
			if _, err := s.ask(t, http.MethodPost, "/rest/c", `[{"_id":"counter","who":"counter","n":0},{"_id":"left","who":"pair","n":0},{"_id":"right","who":"pair","n":0}]`); err != nil {
				t.Fatal(err)
			}
			w := &documentWriters{t: t, there: map[string]bool{}, gone: map[string]bool{}}
			for round := range crashRounds(t) {
				seen := w.killed(s, round, reader)
				s = start(t, dir, env...)
				mark := fmt.Sprintf("mark-%d", round)
				if _, err := s.ask(t, http.MethodPost, "/items/c", `{"id":"`+mark+`","who":"mark"}`); err != nil {
					t.Fatal(err)
				}
				reader.follow(t, s, mark)
				w.check(s, reader, seen)
			}
			t.Logf("%d made, %d deleted, counted to %d", len(w.there), len(w.gone), w.count)
			if len(w.there) < 50 || len(w.gone) < 10 || w.count < 10 {
				t.Error("that is too few: the test tests nothing")
			}
		})
	}
}

// documentWriters is what was acknowledged.
type documentWriters struct {
	t           *testing.T
	mu          sync.Mutex
	there, gone map[string]bool
	count, pair int
}

// killed kills the gateway while it is written to, and gives how far a subscriber has counted.
func (w *documentWriters) killed(s *server, round int, reader *changesSeen) (seen int) {
	var group sync.WaitGroup
	repeat := func(f func(n int) error) {
		group.Go(func() {
			for n := 0; f(n) == nil; n++ {
			}
		})
	}
	done := func(err error, f func()) error {
		if err == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			f()
		}
		return err
	}
	for p := range 3 {
		repeat(func(n int) error {
			id := fmt.Sprintf("%d-%d-%d", round, p, n)
			path, field := "/rest/c", "_id"
			if p == 0 {
				path, field = "/items/c", "id"
			}
			_, err := s.ask(w.t, http.MethodPost, path, fmt.Sprintf(`{%q:%q,"who":"w%d","n":%d}`, field, id, p, n))
			return done(err, func() { w.there[id] = true })
		})
		repeat(func(int) error {
			_, err := s.ask(w.t, http.MethodPut, "/rest/c/counter", `{"$inc":{"n":1}}`)
			return done(err, func() { w.count++ })
		})
	}
	repeat(func(n int) error {
		_, err := s.ask(w.t, http.MethodPatch, "/items/c", fmt.Sprintf(`{"keys":["left","right"],"data":{"n":%d}}`, n))
		return done(err, func() { w.pair = n })
	})
	repeat(func(n int) error {
		id, path := fmt.Sprintf("%d-%d-short", round, n), "/rest/c/"
		if n%2 == 0 {
			path = "/items/c/"
		}
		if _, err := s.ask(w.t, http.MethodPost, "/rest/c", fmt.Sprintf(`{"_id":%q,"who":"short","n":%d}`, id, n)); err != nil {
			return err
		}
		_, err := s.ask(w.t, http.MethodDelete, path+id, "")
		return done(err, func() { w.gone[id] = true })
	})
	group.Go(func() { reader.follow(w.t, s, "") })
	group.Go(func() { seen = counted(w.t, s) })
	time.Sleep(time.Duration(700+100*(round%7)) * time.Millisecond)
	s.stop(w.t, syscall.SIGKILL)
	group.Wait()
	return seen
}

// check compares the documents with the acknowledged changes and with what a reader has received.
func (w *documentWriters) check(s *server, reader *changesSeen, seen int) {
	w.t.Helper()
	all := s.list(w.t, "{}")
	versions, byWho, unset := map[string]int{}, map[string]int{}, map[string]int{}
	for id, d := range all {
		versions[id] = d.Version
		byWho[d.Who]++
	}
	if !maps.Equal(versions, reader.versions) {
		for id := range reader.versions {
			unset[id] = reader.versions[id]
		}
		for id, v := range versions {
			if unset[id] == v {
				delete(unset, id)
			} else {
				unset[id] -= v
			}
		}
		w.t.Errorf("documents and their events differ: %v", unset)
	}
	for id := range w.there {
		if versions[id] == 0 {
			w.t.Errorf("%s is lost", id)
		}
	}
	for id := range w.gone {
		if versions[id] != 0 {
			w.t.Errorf("%s is back", id)
		}
	}
	counter := all["counter"]
	if counter.N < w.count || counter.N < seen || counter.Version != counter.N+1 {
		w.t.Errorf("the counter is %+v, acknowledged %d, seen %d", counter, w.count, seen)
	}
	w.count = counter.N // those whose outcome was unknown
	if all["left"].N != all["right"].N || all["left"].Version != all["right"].Version {
		w.t.Errorf("one change is half there: %+v %+v", all["left"], all["right"])
	}
	for who, n := range byWho {
		if found := len(s.list(w.t, `{"who":"`+who+`"}`)); found != n {
			w.t.Errorf("by the index %s has %d documents, by a scan %d", who, found, n)
		}
	}
}
