package handlers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

const stampFormat = "2006-01-02T15:04:05.000Z"

// TestTimesAfterStep: at every door an event's time is what the clock showed, however it was set, and a time that is
// asked for finds the first event that is not before it.
func TestTimesAfterStep(t *testing.T) {
	t.Parallel()
	clock := logtest.NewClock()
	g := newGateway(t, gatewaytest.WithDemo, func(s *setup) { s.Engine = memory.Open(memory.Options{Source: clock.Source()}) })
	var ids, inDemo []string
	var stamps []time.Time
	for i, step := range []time.Duration{0, 0, -time.Hour, 0, 20_000 * time.Hour, -24 * time.Hour} {
		clock.Step(step)
		clock.Add(10 * time.Second)
		ids = append(ids, g.Put(t, eventlog.Event{Name: "e"})...)
		g.Store(t, "", "s", "deposit", fmt.Sprint(i))
		inDemo = append(inDemo, fmt.Sprint(i))
		stamps = append(stamps, clock.Now())
	}
	if log := g.AsAdmin(t, "GET", "/admin/stats", "", 200)["log"].(map[string]any); log["oldest_seconds"] != 50.0 {
		t.Errorf("the oldest event is %v seconds old", log["oldest_seconds"])
	}
	lines := func(query string) (found []string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, g.URL+"/realtime"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", gatewaytest.KeyAll)
		r.Header.Set("Accept", "application/x-ndjson")
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s %v", query, answer.StatusCode, text, err)
		}
		for line := range strings.Lines(string(text)) {
			var e struct{ ID, TS string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%s: %q %v", query, line, err)
			}
			i := len(ids) - 1
			for i > 0 && ids[i] != e.ID {
				i--
			}
			if want := stamps[i].Format(stampFormat); e.TS != want {
				t.Errorf("event %d has the time %s, the clock showed %s", i, e.TS, want)
			}
			found = append(found, fmt.Sprint(i))
		}
		return found
	}
	pages := func(query string) (found []string) {
		t.Helper()
		for next := "/db/demo/events" + query + "&schema=jsonapi&limit=1"; next != ""; {
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
			var page struct {
				Links struct{ Next string }
				Data  []struct{ Meta struct{ ID, TS string } }
			}
			err = json.NewDecoder(answer.Body).Decode(&page)
			answer.Body.Close()
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d %v", next, answer.StatusCode, err)
			}
			for _, e := range page.Data {
				i, _ := strconv.Atoi(e.Meta.ID)
				if want := stamps[i].Format(stampFormat); e.Meta.TS != want {
					t.Errorf("event %d of the database has the time %s, the clock showed %s", i, e.Meta.TS, want)
				}
				found = append(found, e.Meta.ID)
			}
			if next = page.Links.Next; len(found) > len(inDemo) {
				t.Fatalf("%s: pages go round: %s", query, found)
			}
		}
		return found
	}
	// In order of the log the clock showed 12:00:10, :20, 11:00:30, :40, years later :50, and a day before that.
	for _, tt := range []struct {
		query string // %s is the time of an event
		of    int
		want  string
	}{
		{"?until=caught-up", 0, "[0 1 2 3 4 5]"},
		{"?until=caught-up&from=%s", 1, "[1 2 3 4 5]"},
		{"?until=caught-up&from=%s", 2, "[0 1 2 3 4 5]"}, // the first not before 11:00:30 is of 12:00:10
		{"?until=caught-up&from=%s", 4, "[4 5]"},
		{"?until=caught-up&after=%s", 4, "[5]"},
		{"?until=caught-up&after=%s", 1, "[2 3 4 5]"}, // what follows it in the log
		{"?until=caught-up&from=%s", 5, "[4 5]"},
		{"?until=%s", 4, "[0 1 2 3]"},
		{"?to=%s", 0, "[0]"},
		{"?to=%s", 1, "[0 1]"},
	} {
		query := tt.query
		if strings.Contains(query, "%s") {
			query = fmt.Sprintf(query, url.QueryEscape(stamps[tt.of].Format(time.RFC3339Nano)))
		}
		if got := fmt.Sprint(lines(query)); got != tt.want {
			t.Errorf("lines %s: %s, want %s", query, got, tt.want)
		}
		if got := fmt.Sprint(pages(query)); got != tt.want {
			t.Errorf("pages %s: %s, want %s", query, got, tt.want)
		}
	}
}
