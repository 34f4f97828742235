package documents_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidwall/gjson"

	"sluice/store/documents"
	"sluice/store/documents/query"
)

// If an index leads to more text than stays in memory, the answer is still sorted and complete.
func TestSortedBeyondWhatIsKept(t *testing.T) {
	t.Parallel()
	s, log := open(t, vfs.NewMem(), documents.Options{Indexes: map[string][]string{"c": {"city"}}})
	defer closeLog(t, log)
	const n = 40 // of 60,000 bytes; 1 MiB of them stays in memory
	for i := range n {
		insert(t, s, "c", fmt.Sprintf("d%02d", i), fmt.Sprintf(`{"city":"Oslo","n":%d,"text":"%s"}`, i*17%n, strings.Repeat(string(rune('a'+i%26)), 60_000)))
	}
	city, _ := query.ParseField("city")
	number, _ := query.ParseField("n")
	oslo, err := query.Compile(query.Node{Op: query.Eq, Field: city, Rules: query.SQL, Values: []gjson.Result{gjson.Parse(`"Oslo"`)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ skip, limit int }{{0, n}, {0, 5}, {0, 25}, {10, 25}, {30, 100}} {
		for _, down := range []bool{false, true} {
			r, err := s.Find(context.Background(), "c", &documents.Query{Where: oslo, Order: query.Order{{Field: number, Descending: down}}, Skip: tt.skip, Limit: tt.limit})
			if err != nil || len(r.Documents) != min(tt.limit, n-tt.skip) {
				t.Fatalf("%+v, down %v: %d documents, %v", tt, down, len(r.Documents), err)
			}
			for i, text := range r.Documents {
				want := tt.skip + i
				if down {
					want = n - 1 - want
				}
				d := gjson.ParseBytes(text)
				var which int
				_, _ = fmt.Sscanf(d.Get("_id").Str, "d%02d", &which)
				if int(d.Get("n").Int()) != want || which*17%n != want || d.Get("text").Str != strings.Repeat(string(rune('a'+which%26)), 60_000) {
					t.Errorf("%+v, down %v: place %d has %.40s, want n %d", tt, down, i, text, want)
				}
			}
		}
	}
}
