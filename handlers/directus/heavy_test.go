package directus

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"sluice/store/eventlog"
	"sluice/store/share"
)

// Who asks for a lot of each change waits for a slot, and takes turns with others who do; who asks for little does not
// wait, nor who comes for what was made already.
func TestHeavyQueriesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{feeds: feeds{byKey: map[feedKey]*feed{}}, changes: newChanges(nil), costlyQueries: share.NewSlots(1, 10)}
		h.changes.keep(&eventlog.Event{ID: 7, Name: "post", Collection: "c", Meta: []byte("d"), Data: []byte(`{"_id":"1","a":"` + strings.Repeat("x", 60_000) + `"}`)})
		subscribe := func(filter string) *subscription {
			text := `{"filter":` + filter + `}`
			q, err := parseQuery(text, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			r := requestOf(gjson.Parse(text), q, time.Now(), "")
			return &subscription{feed: h.feeds.use(&r)}
		}
		heavy := `{"_or":[` + strings.Repeat(`{"a":{"_contains":"y"}},`, 50) + `{"a":{"_contains":"z"}}]}`
		release, err := h.costlyQueries.Acquire(share.With(context.Background(), "another"))
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 2)
		ask := func(what string, s *subscription) {
			ctx := share.With(context.Background(), "one")
			if _, err := s.message(ctx, h, frame{id: 7}); err != nil {
				t.Error(err)
			}
			order <- what
		}
		again := subscribe(heavy)
		go ask("heavy", subscribe(heavy))
		synctest.Wait()
		ask("light", subscribe(`{"a":{"_eq":"x"}}`))
		if got := <-order; got != "light" || len(order) > 0 {
			t.Errorf("%s came first, with %d more", got, len(order))
		}
		release()
		if got := <-order; got != "heavy" {
			t.Error(got)
		}
		if release, err = h.costlyQueries.Acquire(context.Background()); err != nil {
			t.Fatal(err)
		}
		defer release()
		ask("again", again)
		if got := fmt.Sprint(<-order); got != "again" {
			t.Error(got)
		}
	})
}
