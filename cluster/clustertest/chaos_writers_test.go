//go:build linux

package clustertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/cluster/clustertest"
)

// chaos is a cluster with clients that write and read all the time, while a test harms it.
type chaos struct {
	*record
	t       *testing.T
	c       *clustertest.Cluster
	client  *http.Client
	urls    []string // of the gateways, then of the balancer
	writing sync.WaitGroup
	reading sync.WaitGroup
	stop    func() // ends the writers
	leave   func() // ends the readers

	mu    sync.Mutex
	parts []part
}

// patient is longer than a publisher has to wait for a journal that has no leader.
const patient = 30 * time.Second

// startChaos starts the clients.
func startChaos(t *testing.T, c *clustertest.Cluster) *chaos {
	t.Helper()
	x := &chaos{record: newRecord(), t: t, c: c, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: patient}}
	for _, n := range c.Nodes {
		x.urls = append(x.urls, n.URL())
	}
	x.urls = append(x.urls, c.URL())
	t.Cleanup(x.client.CloseIdleConnections)
	x.prepare()
	var writers, readers context.Context
	writers, x.stop = context.WithCancel(context.Background())
	readers, x.leave = context.WithCancel(context.Background())
	t.Cleanup(func() {
		x.stop()
		x.leave()
		x.writing.Wait()
		x.reading.Wait()
	})
	x.write(writers)
	x.read(readers)
	x.measure()
	return x
}

// prepare makes what the writers share.
func (x *chaos) prepare() {
	x.t.Helper()
	for _, one := range [][3]string{
		{http.MethodPost, "/rest/counters", `{"_id":"counter","n":0}`},
		{http.MethodGet, "/room/" + room, ""},
	} {
		if a := x.call(x.urls[0], one[0], one[1], one[2]); a.status >= 300 || a.err != nil {
			x.t.Fatalf("%s %s: %d %s %v", one[0], one[1], a.status, a.text, a.err)
		}
	}
}

const room = "chaos"

// call sends a request. More are headers, each a name and a value.
func (x *chaos) call(url, method, path, body string, more ...string) reply {
	r, err := http.NewRequest(method, url+path, strings.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	r.Header.Set("X-Apikey", clustertest.Key)
	if strings.HasPrefix(path, "/admin") {
		r.Header.Set("X-Apikey", clustertest.AdminKey)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	answer, err := x.client.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
		x.t.Errorf("%s %s: no Retry-After: %s", method, path, text)
	}
	return reply{answer.StatusCode, answer.Header, string(text), err}
}

// do is call, and counts the outcome.
func (x *chaos) do(url, method, path, body string, more ...string) (reply, fate) {
	began := time.Now()
	a := x.call(url, method, path, body, more...)
	f, what := a.fate()
	x.count(f, what, began)
	return a, f
}

// write starts the writers, which end with ctx.
func (x *chaos) write(ctx context.Context) {
	for w := range x.urls {
		x.every(ctx, 15*time.Millisecond, func(n int) { x.plain(w, n) })
	}
	for w := range 3 {
		x.every(ctx, 25*time.Millisecond, func(n int) { x.repeated(ctx, w, n) })
		x.every(ctx, 40*time.Millisecond, func(n int) { x.increment(w, n) })
		x.every(ctx, 40*time.Millisecond, func(n int) { x.push(w, n) })
		last := "0"
		x.every(ctx, 30*time.Millisecond, func(n int) { last = x.race(w, n, last) })
	}
	x.every(ctx, 50*time.Millisecond, x.batch)
	x.every(ctx, 50*time.Millisecond, x.insert)
	x.every(ctx, time.Second, x.key)
}

// every calls f at most once in some time, until ctx ends.
func (x *chaos) every(ctx context.Context, d time.Duration, f func(n int)) {
	x.writing.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				f(n)
			}
		}
	})
}

// at is the address that a writer uses for its request n.
func (x *chaos) at(w, n int) string { return x.urls[(w+n)%len(x.urls)] }

// ids of an answer to a publish.
func (a reply) ids() (all []string) {
	var body struct {
		ID  string
		IDs []string
	}
	if json.Unmarshal([]byte(a.text), &body) != nil {
		return nil
	}
	if body.ID != "" {
		return []string{body.ID}
	}
	return body.IDs
}

// given notes what was told of the events of a publish.
func (x *chaos) given(url string, a reply, f fate, texts ...string) {
	ids := a.ids()
	if f == acked && len(ids) != len(texts) {
		x.t.Errorf("%d events: the answer is %s", len(texts), a.text)
		return
	}
	for i, text := range texts {
		id := ""
		if f == acked {
			id = ids[i]
		}
		x.note(x.events, text, f, id)
	}
	if f == acked {
		x.newID(ids[len(ids)-1], url)
	}
}

// event is an event with a text that no other has.
func event(text string) string { return fmt.Sprintf(`{"event":"e","data":%q}`, text) }

// plain publishes at one address, so that somebody publishes at each gateway all the time.
func (x *chaos) plain(w, n int) {
	text, url := fmt.Sprintf("plain-%d-%d", w, n), x.urls[w]
	a, f := x.do(url, http.MethodPost, "/realtime", event(text))
	x.given(url, a, f, text)
}

// batchSize is the number of events of each batch.
const batchSize = 5

func (x *chaos) batch(n int) {
	var texts, events []string
	for i := range batchSize {
		text := fmt.Sprintf("batch-%d-%d", n, i)
		texts, events = append(texts, text), append(events, event(text))
	}
	url := x.at(0, n)
	a, f := x.do(url, http.MethodPost, "/realtime", "["+strings.Join(events, ",")+"]")
	x.given(url, a, f, texts...)
}

// repeated publishes with an Idempotency-Key, and repeats at other gateways until it gets a 200.
func (x *chaos) repeated(ctx context.Context, w, n int) {
	text, worst := fmt.Sprintf("repeated-%d-%d", w, n), refused
	for try := 0; ; try++ {
		url := x.at(w, n+try)
		a, f := x.do(url, http.MethodPost, "/realtime", event(text), "Idempotency-Key", text)
		if f == acked {
			x.given(url, a, f, text)
			if n%10 == 0 {
				x.again(w, n+try+1, text, a.ids()[0])
			}
			return
		}
		worst = max(worst, f)
		select {
		case <-ctx.Done():
			x.given(url, a, worst, text)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// again repeats what has its 200.
func (x *chaos) again(w, n int, text, id string) {
	a, f := x.do(x.at(w, n), http.MethodPost, "/realtime", event(text), "Idempotency-Key", text)
	if f == acked && (len(a.ids()) != 1 || a.ids()[0] != id || a.header.Get("Idempotent-Replay") != "true") {
		x.t.Errorf("%s was stored as %s; its repeat is answered %v %s", text, id, a.header, a.text)
	}
}

// race publishes to a stream if nobody else has since the id last. It returns the last id of the stream.
func (x *chaos) race(w, n int, last string) string {
	text, url := fmt.Sprintf("race-%d-%d", w, n), x.at(w, n)
	a, f := x.do(url, http.MethodPost, "/realtime", fmt.Sprintf(`{"event":"race","stream":"race","expect":%q,"data":{"text":%q,"after":%[1]q}}`, last, text))
	x.given(url, a, f, text)
	var conflict struct{ Last string }
	switch {
	case f == acked:
		return a.ids()[0]
	case a.status == http.StatusConflict && json.Unmarshal([]byte(a.text), &conflict) == nil && conflict.Last != "":
		return conflict.Last
	}
	return last
}

func (x *chaos) push(w, n int) {
	text := fmt.Sprintf("push-%d-%d", w, n)
	_, f := x.do(x.at(w, n), http.MethodPost, "/room/"+room+"/send", fmt.Sprintf(`{"type":"push","key":"log-%d","value":%q,"action":{"type":"append"}}`, w, text))
	x.note(x.pushes, text, f, "")
}

func (x *chaos) insert(n int) {
	id := fmt.Sprintf("doc-%d", n)
	_, f := x.do(x.at(1, n), http.MethodPost, "/rest/docs", fmt.Sprintf(`{"_id":%q}`, id))
	x.note(x.docs, id, f, "")
}

func (x *chaos) increment(w, n int) {
	_, f := x.do(x.at(w, n), http.MethodPut, "/rest/counters/counter", `{"$inc":{"n":1}}`)
	x.record.mu.Lock()
	defer x.record.mu.Unlock()
	switch f {
	case acked:
		x.inc++
	case unknown:
		x.incMay++
	}
}

// key makes a key, uses it at once at another gateway, and deletes every second one at a third.
func (x *chaos) key(n int) {
	name := fmt.Sprintf("key-%d", n)
	a, f := x.do(x.at(0, n), http.MethodPost, "/admin/keys", fmt.Sprintf(`{"name":%q,"sub":[],"pub":["*"],"rest":[]}`, name), "Idempotency-Key", name)
	var made struct{ ID, Key string }
	if f != acked || json.Unmarshal([]byte(a.text), &made) != nil {
		return
	}
	if a, _ := x.do(x.at(1, n), http.MethodPost, "/realtime", event("by-"+name), "X-Apikey", made.Key); a.status == http.StatusUnauthorized {
		x.t.Errorf("%s was made, and another gateway does not know it: %s", name, a.text)
	}
	if n%2 == 0 {
		x.keep(x.kept, made.Key)
		return
	}
	if _, f := x.do(x.at(2, n), http.MethodDelete, "/admin/keys/"+made.ID, ""); f == acked {
		x.keep(x.gone, made.Key)
	}
}

func (x *chaos) keep(of map[string]bool, key string) {
	x.record.mu.Lock()
	defer x.record.mu.Unlock()
	of[key] = true
}
