package persistr_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// keyDemo appends to the database demo, and reads one type of it.
const keyDemo = "key-demo-0123456789"

func withDemoKey(s *setup) {
	s.APIKeys = fmt.Sprintf(`[{"name":"demo","key":%q,"sub":["$db/demo:deposit"],"pub":["$db/demo"]}]`, keyDemo)
}

// A publisher that takes no answers keeps nobody from changing the database.
func TestPublisherWithoutEarsHoldsNothing(t *testing.T) {
	t.Parallel()
	g := withDemo(t, withDemoKey)
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	body := "[" + strings.Repeat(`{"space":"$db/demo","event":"deposit","stream":"s"},`, 999) + `{"space":"$db/demo","event":"deposit","stream":"s"}]`
	request := fmt.Sprintf("POST /realtime HTTP/1.1\r\nHost: x\r\nx-apikey: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", keyDemo, len(body), body)
	go func() {
		for { // until the gateway takes no more, or the connection is closed
			if _, err := io.WriteString(c, request); err != nil {
				return
			}
		}
	}()
	for before := uint64(0); before != g.Log.Settled(); time.Sleep(500 * time.Millisecond) {
		before = g.Log.Settled()
	}
	done := make(chan error, 1)
	go func() { done <- g.Databases.CreateNamespace(context.Background(), "demo", "shop") }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Error("the database is held by who reads no answer")
		c.Close()
		<-done
	}
}

// A key for one type learns nothing about events of other types from the positions that it asks for.
func TestPlacesTellNothing(t *testing.T) {
	t.Parallel()
	g := withDemo(t, withDemoKey)
	g.Store(t, "", "s", "deposit", "mine")
	g.Store(t, "", "s", "secret", "theirs")
	answers := map[string]string{}
	for _, id := range []string{"mine", "theirs", "none"} {
		for _, query := range []string{"?stream=s&from=" + id, "?to=s." + id} {
			r, err := http.NewRequest(http.MethodGet, g.URL+"/db/demo/events"+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Apikey "+keyDemo)
			r.Header.Set("Accept", "application/json")
			answer, err := g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			answers[id] += fmt.Sprintf("%d %s;", answer.StatusCode, strings.ReplaceAll(string(text), id, "ID"))
		}
	}
	if answers["theirs"] != answers["none"] || answers["mine"] == answers["none"] {
		t.Errorf("%q", answers)
	}
}

// Nobody gets what was destroyed, though it may still be in memory for others.
func TestDestroyedIsGone(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	ctx := context.Background()
	first := g.Store(t, "", "s", "t", "1")
	r, err := http.NewRequest(http.MethodGet, g.URL+"/db/demo/events?after=past-events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", gatewaytest.Basic("demo", "demo"))
	r.Header.Set("Accept", "text/event-stream")
	open, err := g.Client().Do(r) // its view lists what comes
	if err != nil {
		t.Fatal(err)
	}
	defer open.Body.Close()
	g.AwaitSubscribers(t, 1)
	g.Store(t, "", "s", "t", "2")
	g.Store(t, "", "s", "t", "3")
	if err := g.Databases.DestroyEvent(ctx, "demo", "", "s", "2"); err != nil {
		t.Fatal(err)
	}
	r = r.Clone(ctx)
	r.URL.RawQuery = "limit=2"
	r.Header.Set("Last-Event-ID", fmt.Sprint(first))
	g.Store(t, "", "s", "t", "4")
	again, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Body.Close()
	text, _ := io.ReadAll(again.Body)
	if strings.Contains(string(text), `"id":"2"`) || !strings.Contains(string(text), `"id":"3"`) || !strings.Contains(string(text), `"id":"4"`) {
		t.Errorf("%s", text)
	}
}
