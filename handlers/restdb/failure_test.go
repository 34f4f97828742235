package restdb

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"sluice/handlers/httperr"
	"sluice/store/documents"
	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// TestFailures: what passes is a 503 that says when to come back; what the client is to mend is not.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{documents.ErrNotFound, "404 not_found false"},
		{documents.ErrTaken, "409 id_taken false"},
		{documents.ErrShape, "400 bad_document false"},
		{documents.ErrTwice, "400 bad_document false"},
		{documents.ErrID, "400 bad_document false"},
		{documents.ErrTime, "400 query_too_slow false"},
		{&documents.LimitError{What: "%d", Setting: "MAX_RESULT"}, "400 result_too_large false"},
		{&documents.LimitError{What: "%d", Setting: "MAX_DOCUMENT"}, "413 document_too_large false"},
		{&documents.LimitError{What: "%d", Setting: "MAX_COLLECTION_BYTES"}, "409 collection_full false"},
		{&documents.LimitError{What: "%d"}, "413 too_many_documents false"},
		{query.Refuse(query.BadField, "x"), "400 bad_query false"},
		{documents.ErrBusy, "503 busy true"},
		{documents.ErrCrowd, "503 busy true"},
		{documents.ErrMemory, "503 busy true"},
		{eventlog.ErrUnavailable, "503 unavailable true"},
		{fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrUnknown), "503 unknown_outcome true"},
		{context.Canceled, "503 unavailable true"},
		{errors.New("else"), "500 internal false"},
	} {
		e := httperr.From(failed(fmt.Errorf("wrapped: %w", c.err)))
		if got := fmt.Sprintf("%d %s %t", e.Status, e.Code, e.RetryAfter > 0); got != c.want || e.Message == "" {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
	if failed(nil) != nil {
		t.Error("nothing failed")
	}
}
