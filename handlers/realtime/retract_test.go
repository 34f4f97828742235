package realtime_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
)

// TestRetractRefusals: what a DELETE is refused for, in the order of the checks.
func TestRetractRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	customer := g.Publish(t, `{"event":"put","collection":"customer"}`)
	chat := g.Publish(t, `{"event":"chat-1"}`)
	secret := g.Publish(t, `{"event":"secret"}`)
	database := g.Put(t, eventlog.Event{Space: "$db/demo", Name: "deposit"})[0]
	gone := g.Publish(t, `{"event":"put","collection":"customer"}`)
	const missing = `{"message":"there is no event with this id, or none any more","code":"not_found"}`
	del := func(name, path, key string, status int, has ...string) scenario {
		return scenario{Name: name, Method: "DELETE", Path: path, Key: key, Status: status, Has: has}
	}
	g.RunAll(t, []scenario{
		del("unreadable query", "?x=%zz", "-", 400, `"bad_query"`),
		del("no credential", "?id="+customer, "-", 401, `"missing_credential"`),
		del("bad credential", "?id="+customer, "wrong", 401, `"invalid_key"`),
		{Name: "origin", Method: "DELETE", Path: "?id=x", Key: gatewaytest.KeyOrigin, Headers: map[string]string{"Origin": "https://b.example"}, Status: 403, Has: []string{`"origin_not_allowed"`}},
		del("no id", "", "", 400, `"bad_parameter"`, "parameter id"),
		del("empty id", "?id=", "", 400, `"bad_parameter"`),
		del("no number", "?id=12x", "", 400, "1 to 16 digits"),
		del("sign", "?id=-1", "", 400),
		del("17 digits", "?id=12345678901234567", "", 400),
		del("two ids", "?id=1&id=2", "", 400, "given once"),
		{Name: "body", Method: "DELETE", Path: "?id=" + customer, Body: "x", Status: 400, Has: []string{`"unexpected_body"`}},
		del("no grant at all", "?id="+customer, gatewaytest.KeyNone, 403, `"forbidden"`, "may publish nothing"),
		del("no grant at all, unknown id", "?id=1", gatewaytest.KeyNone, 403, "may publish nothing"),
		{Name: "idempotency key", Method: "DELETE", Path: "?id=" + customer, Headers: map[string]string{"Idempotency-Key": "a b"}, Status: 400, Has: []string{`"bad_idempotency_key"`}},
		del("zero", "?id=0", "", 404, missing),
		del("unknown", "?id=1", "", 404, missing),
		del("from the future", "?id=9999999999999999", "", 404, missing),
		del("of a database", "?id="+database, "", 404, missing),
		del("neither seen nor published", "?id="+secret, gatewaytest.KeyPut, 404, missing),
		del("its channel", "?id="+gone, gatewaytest.KeyPut, 200, `{"message":"OK","id":"`),
		del("gone already", "?id="+gone, "", 404, missing),
		del("seen, but not published", "?id="+chat, gatewaytest.KeyPut, 403, `"forbidden"`, "chat-1"),
	})
	if names := g.History(t, gatewaytest.KeyAll, "?until=caught-up").Names; strings.Join(names, " ") != "put chat-1 secret retract" {
		t.Errorf("a refusal changed something: %v", names)
	}
}

// delete sends a DELETE as KeyAll, and returns the status and the body.
func (g *gateway) delete(t *testing.T, id string, headers ...string) (int, string, http.Header) {
	t.Helper()
	status, text, head := g.Answer(t, http.MethodDelete, "/realtime?id="+id, "", append([]string{"x-apikey", gatewaytest.KeyAll}, headers...)...)
	return status, strings.TrimSpace(text), head
}

// retract takes an event out and returns the id of what says so.
func (g *gateway) retract(t *testing.T, id string) string {
	t.Helper()
	status, text, _ := g.delete(t, id)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	return strings.TrimSuffix(strings.TrimPrefix(text, `{"message":"OK","id":"`), `"}`)
}

// TestRetractOverHTTP: live subscribers of the event's channel get the frame, and who comes later gets the frame instead of
// the event, in each form.
func TestRetractOverHTTP(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		all, publish, other := g.Stream(t, gatewaytest.KeyAll, ""), g.Stream(t, gatewaytest.KeyPublish, "?channels=chat-*"), g.Stream(t, gatewaytest.KeyAll, "?channels=goal")
		start := all.Parser.LastEventID()
		first := g.Publish(t, `{"event":"chat-1","stream":"room","data":"oops"}`)
		second := g.Publish(t, `{"event":"goal"}`)
		by := g.retract(t, first)
		data := fmt.Sprintf(`{"event":"retract","data":{"id":"%s","channel":"chat-1"},"stream":"room"}`, first)
		for _, one := range []struct {
			stream *gatewaytest.Stream
			want   string
		}{
			{all, "chat-1 goal retract"}, {publish, "publish retract"}, {other, "goal"},
			{g.Stream(t, gatewaytest.KeyAll, "", "Last-Event-ID", start), "goal retract"},
			{g.Stream(t, gatewaytest.KeyAll, "", "Last-Event-ID", first), "goal retract"}, // the one that is gone: no gap
			{g.Stream(t, gatewaytest.KeyAll, "", "Last-Event-ID", second), "retract"},
			{g.Stream(t, gatewaytest.KeyAll, "?stream=room"), "retract"},
			{g.Stream(t, gatewaytest.KeyAll, "?types=chat-1"), "retract"},
			{g.Stream(t, gatewaytest.KeyAll, "?from="+first+"&limit=2"), "goal retract"},
		} {
			for _, name := range strings.Fields(one.want) {
				e := one.stream.Event(t)
				if e.Name != name || name == "retract" && (e.Data != data || e.ID != by) {
					t.Errorf("got %+v, want %s %s", e, name, data)
				}
			}
		}
		g.Publish(t, `{"event":"goal","data":"last"}`)
		if e := other.Event(t); !strings.Contains(e.Data, "last") {
			t.Errorf("another channel got %+v", e)
		}
		if _, text := g.Request(t, "GET", "/realtime?until=caught-up&stream=room", "", "x-apikey", gatewaytest.KeyAll, "Accept", "application/x-ndjson"); !strings.HasPrefix(text, `{"id":"`+by+`","ts":"`) ||
			!strings.HasSuffix(text, `Z","event":"retract","stream":"room","data":{"id":"`+first+`","channel":"chat-1"}}`+"\n") {
			t.Errorf("lines: %s", text)
		}
	})
}

// TestRetractOnce: a repeat with the same Idempotency-Key gets the first answer.
func TestRetractOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	first, second := g.Publish(t, `{"event":"a"}`), g.Publish(t, `{"event":"a"}`)
	status, text, head := g.delete(t, first, "Idempotency-Key", "k")
	if status != 200 || head.Get("Idempotent-Replay") != "" || head.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s %v", status, text, head)
	}
	if status, again, head := g.delete(t, first, "Idempotency-Key", "k"); status != 200 || again != text || head.Get("Idempotent-Replay") != "true" {
		t.Errorf("a repeat: %d %s, not %s", status, again, text)
	}
	if status, text, _ := g.delete(t, second, "Idempotency-Key", "k"); status != 409 || !strings.Contains(text, "idempotency_conflict") {
		t.Errorf("another id: %d %s", status, text)
	}
	if names := g.History(t, gatewaytest.KeyAll, "?until=caught-up").Names; strings.Join(names, " ") != "a retract" {
		t.Errorf("%v", names)
	}
	for n := range 20 { // repeats while the first is under way
		id := g.Publish(t, `{"event":"a"}`)
		answers := make(chan string, 4)
		var group sync.WaitGroup
		for range cap(answers) {
			group.Go(func() {
				status, text, head := g.delete(t, id, "Idempotency-Key", fmt.Sprint("together-", n))
				answers <- fmt.Sprint(status, " ", text, head.Get("Idempotent-Replay") == "")
			})
		}
		group.Wait()
		close(answers)
		got := map[string]int{}
		for a := range answers {
			got[strings.TrimSuffix(strings.TrimSuffix(a, "true"), "false")]++
			if strings.HasSuffix(a, "true") {
				got["first"]++
			}
		}
		if len(got) != 2 || got["first"] != 1 {
			t.Errorf("four requests with one key: %v", got)
		}
	}
}

// TestRetractRate: a retraction costs as much of the rate as an event.
func TestRetractRate(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	id := g.Publish(t, `{"event":"a"}`)
	g.RunAll(t, []scenario{
		{Name: "one", Method: "DELETE", Path: "?id=1", Key: gatewaytest.KeyRate, Status: 404},
		{Name: "two", Method: "DELETE", Path: "?id=2", Key: gatewaytest.KeyRate, Status: 404},
		{Name: "three", Method: "DELETE", Path: "?id=" + id, Key: gatewaytest.KeyRate, Status: 429, Has: []string{`"rate_limited"`}, ResponseHeaders: map[string]string{"Retry-After": "*any*"}},
	})
}

// TestRetractedDocument: retracting the event of a document leaves the document as it is, and Directus' clients hear nothing of it.
func TestRetractedDocument(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	key := []string{"x-apikey", gatewaytest.KeyItems}
	s := g.Stream(t, gatewaytest.KeyItems, "")
	if status, text := g.Request(t, "POST", "/items/messages", `{"text":"hello"}`, key...); status != 200 {
		t.Fatal(status, text)
	}
	made := s.Event(t)
	if status, text := g.Request(t, "DELETE", "/realtime?id="+made.ID, "", key...); status != 200 {
		t.Fatal(status, text)
	}
	if e := s.Event(t); made.Name != "post" || e.Name != "retract" || !strings.Contains(e.Data, `"collection":"messages","data":{"id":"`+made.ID+`","channel":"POST:messages"}`) {
		t.Errorf("%+v, then %+v", made, e)
	}
	if status, text := g.Request(t, "GET", "/items/messages", "", key...); status != 200 || !strings.Contains(text, "hello") {
		t.Errorf("the document: %d %s", status, text)
	}
	read := append([]string{"Accept", "application/x-ndjson"}, key...)
	if status, text := g.Request(t, "GET", "/realtime?from=earliest&until=caught-up", "", read...); status != 200 || strings.Contains(text, "hello") || !strings.Contains(text, "retract") {
		t.Errorf("the history: %d %s", status, text)
	}
}
