package documents_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/store/documents"
	"sluice/store/documents/query"
)

// Testing and sorting documents given by id takes no longer than a query may.
func TestChoose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		time  time.Duration
		order query.Order
		want  error
		first string
	}{
		"as named":        {time.Minute, nil, nil, "2"},
		"sorted":          {time.Minute, order("n"), nil, "4"},
		"too long asked":  {time.Nanosecond, nil, documents.ErrTime, ""},
		"too long sorted": {time.Nanosecond, order("n"), documents.ErrTime, ""},
	} {
		s, log := open(t, nil, documents.Options{QueryTime: c.time})
		for i := range 5 {
			insert(t, s, "c", fmt.Sprint(i), fmt.Sprintf(`{"n":%d,"t":"%s"}`, i, strings.Repeat("a", 60<<10)))
		}
		where, err := query.Compile(query.Node{Op: query.Gt, Field: mustField(t, "n"), Values: []gjson.Result{gjson.Parse("0")}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Choose(context.Background(), "c", []string{"2", "0", "4", "none", "1"}, where, c.order)
		switch {
		case !errors.Is(err, c.want):
			t.Errorf("%s: %v, not %v", name, err, c.want)
		case err == nil && (len(r.Documents) != 3 || documents.ID(r.Documents[0]) != c.first):
			t.Errorf("%s: %.40q", name, r.Documents)
		}
		closeLog(t, log)
	}
}
