package restdb

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"sluice/store/documents/query"
)

// Documents are listed by as many groups as an aggregate may have: each takes memory beside the documents.
func TestTooManyGroups(t *testing.T) {
	t.Parallel()
	s, err := parseSelection(url.Values{"groupby": {"n"}})
	if err != nil {
		t.Fatal(err)
	}
	var texts [][]byte
	for i := range query.MaxGroups {
		texts = append(texts, fmt.Appendf(nil, `{"n":%d}`, i))
	}
	texts = append(texts, texts[0])
	if _, err := grouped(s, texts); err != nil {
		t.Error(err)
	}
	var refused *query.Error
	if _, err := grouped(s, append(texts, []byte(`{}`))); !errors.As(err, &refused) || refused.Reason != query.TooMany {
		t.Errorf("%v", err)
	}
}
