package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/client"
)

type thing struct{ N int }

func TestDecode(t *testing.T) {
	t.Parallel()
	at := time.UnixMicro(1795219523000053).UTC()
	for _, tt := range []struct {
		name    string
		event   client.Event
		want    client.Value[thing]
		channel string
		fault   string
	}{
		{"an event", client.Event{ID: "1795219523000053", Name: "a", Data: `{"event":"a","stream":"s","data":{"n":7}}`},
			client.Value[thing]{ID: "1795219523000053", Time: at, Name: "a", Stream: "s", Data: thing{7}}, "a", ""},
		{"a method event", client.Event{ID: "1795219523000053", Name: "put", Data: `{"event":"put","collection":"c","data":{"n":7}}`},
			client.Value[thing]{ID: "1795219523000053", Time: at, Name: "put", Collection: "c", Data: thing{7}}, "PUT:c", ""},
		{"a custom event of a collection", client.Event{ID: "1795219523000053", Name: "a", Data: `{"event":"a","collection":"c","data":{}}`},
			client.Value[thing]{ID: "1795219523000053", Time: at, Name: "a", Collection: "c"}, "a:c", ""},
		{"the frame of CUSTOM_EVENT_FRAME=publish", client.Event{ID: "1795219523000053", Name: "publish", Data: `{"event":"a","data":{"n":7}}`},
			client.Value[thing]{ID: "1795219523000053", Time: at, Name: "a", Data: thing{7}}, "a", ""},
		{"null", client.Event{ID: "1795219523000053", Name: "a", Data: `{"event":"a","data":null}`},
			client.Value[thing]{ID: "1795219523000053", Time: at, Name: "a"}, "a", ""},
		{"a retraction is no value", client.Event{ID: "1795219523000053", Name: "retract", Data: `{"event":"retract","data":{"id":"12","channel":"a","n":7}}`},
			client.Value[thing]{ID: "1795219523000053", Time: at, Name: "retract", Retracted: "12"}, "retract", ""},
		{"another type", client.Event{ID: "1795219523000053", Name: "a", Data: `{"event":"a","data":"text"}`}, client.Value[thing]{}, "", "(a) cannot be decoded"},
		{"no JSON", client.Event{ID: "1795219523000053", Name: "a", Data: `<`}, client.Value[thing]{}, "", "cannot be decoded"},
		{"no id", client.Event{Name: "a", Data: `{}`}, client.Value[thing]{}, "", "id is not of a gateway"},
		{"what the gateway says", client.Event{ID: "1", Name: client.Gap, Data: `{"event":"gap","data":{}}`}, client.Value[thing]{}, "", "no event"},
	} {
		v, err := client.Decode[thing](tt.event)
		if tt.fault != "" {
			var bad *client.DecodeError
			if !errors.As(err, &bad) || bad.Event != tt.event || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(v, tt.want) || v.Channel() != tt.channel {
			t.Errorf("%s: %+v %s %v", tt.name, v, v.Channel(), err)
		}
	}
}

const start = padding + "retry: 1\nid: 1\ndata: {\"event\":\"init\",\"data\":{}}\n\n"

func number(id, n string) string {
	return "id: " + id + "\nevent: a\ndata: {\"event\":\"a\",\"data\":{\"n\":" + n + "}}\n\n"
}

// The loop gets each event once, over lost connections; a gap and an event of another type are errors that it may go on after.
func TestValues(t *testing.T) {
	t.Parallel()
	s, server := serve(t,
		text(start+number("2", "2")+"event: ping\nid: 2\ndata: {}\n\n"+number("3", `"x"`)),
		text("retry: 1\nid: 9\nevent: gap\ndata: {\"event\":\"gap\",\"data\":{\"reason\":\"expired\",\"after\":\"3\",\"oldest\":\"10\"}}\n\n"+number("10", "10")),
		status(403, `{"message":"the cure","code":"forbidden"}`),
	)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := client.New(server.URL, client.Options{HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for v, err := range client.Values[thing](context.Background(), c) {
		var gap *client.GapError
		var bad *client.DecodeError
		var refused *client.StatusError
		switch {
		case errors.As(err, &gap):
			got = append(got, "gap "+gap.Reason+" "+gap.After+" "+gap.Oldest+" "+v.ID)
		case errors.As(err, &bad):
			got = append(got, "bad "+bad.Event.ID+" "+v.ID)
		case errors.As(err, &refused):
			got = append(got, refused.Code)
		case err != nil:
			t.Error(err)
		default:
			got = append(got, v.ID)
		}
	}
	if want := "2,bad 3 3,gap expired 3 10 9,10,forbidden"; strings.Join(got, ",") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ","), want)
	}
	for i, want := range []string{"", "3", "10"} {
		if id := s.seen[i].Header.Get("Last-Event-ID"); id != want {
			t.Errorf("request %d resumes after %q, want %q", i, id, want)
		}
	}
}

// A loop that ends by itself ends the connection, and gets no error. One whose context ends gets its error.
func TestValuesEnd(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 2)
	_, server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, start+number("2", "2")+number("3", "3"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := client.New(server.URL, client.Options{HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	loops := 0
	for v, err := range client.Values[thing](context.Background(), c) {
		if loops++; err != nil || v.Data.N != 2 {
			t.Errorf("%+v %v", v, err)
		}
		break
	}
	<-gone
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	for _, last = range client.Values[thing](ctx, c) {
		loops++
		cancel()
	}
	<-gone
	if loops < 3 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d loops, %v", loops, last)
	}
}

// What Publish sends, byte for byte, and that a repeat has the same key.
func TestPublishValues(t *testing.T) {
	t.Parallel()
	type request struct{ body, key string }
	var seen []request
	answer := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			seen = append(seen, request{string(body), r.Header.Get("Idempotency-Key")})
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(code)
			io.WriteString(w, text)
		}
	}
	_, server := serve(t, answer(200, `{"message":"OK","id":"7"}`))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := client.New(server.URL, client.Options{HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, tt := range []struct {
		name    string
		data    any
		options []client.PublishOption
		want    string
	}{
		{"order", thing{7}, nil, `{"event":"order","data":{"N":7}}`},
		{"order", nil, nil, `{"event":"order","data":null}`},
		{"order", json.RawMessage(`12345678901234567890.10`), nil, `{"event":"order","data":12345678901234567890.10}`},
		{"put", "x", []client.PublishOption{client.Collection("c"), client.Stream("s"), client.Expect("0"), client.Except("conn"), client.IdempotencyKey("own")},
			`{"event":"put","collection":"c","stream":"s","data":"x","expect":"0","except":"conn"}`},
	} {
		seen = nil
		id, err := c.Publish(ctx, tt.name, tt.data, tt.options...)
		if err != nil || id != "7" || len(seen) != 1 || seen[0].body != tt.want || (seen[0].key == "own") != (tt.options != nil) || seen[0].key == "" {
			t.Errorf("%s %v: %q %v %+v", tt.name, tt.data, id, err, seen)
		}
	}
	seen = nil
	if _, err := c.Publish(ctx, "order", func() {}); err == nil || !strings.Contains(err.Error(), "order") || len(seen) != 0 {
		t.Errorf("a value that is no JSON: %v, %d requests", err, len(seen))
	}
	_, server = serve(t, answer(503, ""), answer(200, `{"message":"OK","ids":["7","8"]}`))
	if c, err = client.New(server.URL, client.Options{HTTP: &http.Client{Transport: transport}}); err != nil {
		t.Fatal(err)
	}
	ids, err := c.PublishAll(ctx, []client.NewEvent{{Event: "a", Data: 1}, {Event: "put", Collection: "c"}}, "")
	if err != nil || strings.Join(ids, ",") != "7,8" || len(seen) != 2 || seen[0] != seen[1] || seen[0].key == "" ||
		seen[0].body != `[{"event":"a","data":1},{"event":"put","collection":"c","data":null}]` {
		t.Errorf("%v %v %+v", ids, err, seen)
	}
}
