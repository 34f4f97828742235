package persistr_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
	"sluice/store/streams"
)

// A page of JSON ends by its bytes as by its events, and Link leads on, until all was read once and in order.
func TestPersistrPages(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	const many = 150
	data := json.RawMessage(`"` + strings.Repeat("x", 60<<10) + `"`)
	for i := range many {
		e := streams.Event{ID: fmt.Sprint(i), Type: []string{"a", "b"}[i%2], Stream: "s", Data: data}
		g.StoreEvent(t, &e)
	}
	for _, tt := range []struct {
		query string
		want  string // events on each page
	}{
		{"?stream=s", "[69 69 12]"},
		{"?stream=s&schema=jsonapi", "[69 69 12]"},
		{"?stream=s&types=b", "[69 6]"},
		{"?stream=s&limit=100&until=149", "[69 69 11]"}, // of each page
		{"?stream=s&limit=60&until=61", "[60 1]"},
		{"?stream=s&limit=50", "[50 50 50 0]"}, // which on a feed means no limit
		{"?stream=s&limit=50&until=caught-up&schema=jsonapi", "[50 50 50 0]"},
		{"?stream=s&limit=49", "[49 49 49 3]"},
	} {
		var pages []int
		read := 0
		for next := "/db/demo/events" + tt.query; next != ""; {
			r, err := http.NewRequest(http.MethodGet, g.URL+next, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", gatewaytest.Basic("demo", "demo"))
			r.Header.Set("Accept", "application/json")
			answer, err := g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatal(answer.Status, err)
			}
			next, _ = strings.CutPrefix(strings.TrimSuffix(answer.Header.Get("Link"), `>; rel="next"`), "<")
			page := struct {
				Links struct{ Next string }
				Data  []struct{ Meta struct{ ID string } }
			}{}
			if strings.Contains(tt.query, "jsonapi") {
				if err := json.Unmarshal(text, &page); err != nil || page.Links.Next != next {
					t.Fatal(err, page.Links.Next, next)
				}
			} else if err := json.Unmarshal(text, &page.Data); err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Data {
				if want := fmt.Sprint(read); e.Meta.ID != want && !strings.Contains(tt.query, "types") {
					t.Fatalf("%s: got %s, want %s", tt.query, e.Meta.ID, want)
				}
				read++
			}
			pages = append(pages, len(page.Data))
		}
		if got := fmt.Sprint(pages); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.query, got, tt.want)
		}
	}
}

// Pages that wait to be read take no more memory than one sender may have: another's are answered.
func TestPersistrPagesAreCharged(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	data := json.RawMessage(`"` + strings.Repeat("x", 60<<10) + `"`)
	for i := range 80 {
		e := streams.Event{ID: fmt.Sprint(i), Type: "a", Stream: "s", Data: data}
		g.StoreEvent(t, &e)
	}
	page := func(user, password string) string {
		r, err := http.NewRequest(http.MethodGet, g.URL+"/db/demo/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", gatewaytest.Basic(user, password))
		r.Header.Set("Accept", "application/json")
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusServiceUnavailable {
			return "503 " + answer.Header.Get("Retry-After")
		}
		if _, err := io.ReadAll(answer.Body); err != nil {
			t.Fatal(err)
		}
		return answer.Status[:3]
	}
	var slow []net.Conn
	for range 4 { // of 4.1 MB, twice; the kernel takes the first answers
		ask := "GET /db/demo/events HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nAuthorization: " + gatewaytest.Basic("demo", "demo") + "\r\n\r\n"
		slow = append(slow, g.Dial(t, strings.Repeat(ask, 5)))
	}
	gatewaytest.Until(t, func() error {
		if got := page("demo", "demo"); got != "503 1" {
			return errors.New(got)
		}
		return nil
	})
	if other := page("root", gatewaytest.AdminKey); other != "200" {
		t.Errorf("another got %s", other)
	}
	for _, c := range slow {
		c.Close()
	}
	gatewaytest.Until(t, func() error {
		if got := page("demo", "demo"); got != "200" {
			return errors.New(got)
		}
		return nil
	})
}
