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

	"github.com/tidwall/gjson"

	"sluice/store/documents"
	"sluice/store/documents/query"
)

// costly is a condition with a large weight. It matches documents whose t has no 240 b in a row.
func costly(t *testing.T) *query.Condition {
	t.Helper()
	text, err := query.ParseField("t")
	if err != nil {
		t.Fatal(err)
	}
	c, err := query.Compile(query.Node{Op: query.Regex, Negate: true, Field: text, Values: []gjson.Result{query.String("b{240}")}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A query checks its time as often as its work requires: a document of 60 KiB can take half a second.
func TestTimeOfWork(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{})
	defer closeLog(t, log)
	for i := range 5 {
		insert(t, s, "large", "", `{"t":"`+strings.Repeat("a", 60<<10)+`"}`)
		for range 200 {
			insert(t, s, "small", "", fmt.Sprintf(`{"n":%d}`, i))
		}
	}
	for _, tt := range []struct {
		collection string
		where      *query.Condition
		most       int
	}{{"large", costly(t), 1}, {"large", nil, 2}, {"small", nil, 257}} {
		ctx, cancel := context.WithCancel(context.Background())
		looked := 0
		err := s.Each(ctx, tt.collection, tt.where, func([]byte) error {
			looked++
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) || looked > tt.most {
			t.Errorf("%s: %d documents were looked at after the end, %v", tt.collection, looked, err)
		}
	}
}

// A costly query waits for a slot even if it examines few documents. A cheap one never waits.
func TestSlots(t *testing.T) {
	t.Parallel()
	s, log := open(t, nil, documents.Options{QueryTime: 300 * time.Millisecond})
	defer closeLog(t, log)
	insert(t, s, "c", "", `{"t":"`+strings.Repeat("a", 16<<10)+`"}`)
	ctx := context.Background()
	slots := max(1, runtime.GOMAXPROCS(0)/2)
	entered, leave := make(chan struct{}, slots), make(chan struct{})
	var group sync.WaitGroup
	for range slots {
		group.Go(func() {
			err := s.Each(ctx, "c", costly(t), func([]byte) error {
				entered <- struct{}{}
				<-leave
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range slots {
		<-entered
	}
	nothing := func([]byte) error { return nil }
	if err := s.Each(ctx, "c", costly(t), nothing); !errors.Is(err, documents.ErrCrowd) {
		t.Error(err) // with time left, unlike a query that takes too long
	}
	if err := s.Each(ctx, "c", nil, nothing); err != nil {
		t.Error(err)
	}
	close(leave)
	group.Wait()
	if err := s.Each(ctx, "c", costly(t), nothing); err != nil {
		t.Error(err)
	}
}
