package realtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/handlers/httperr"
	"sluice/store/eventlog"
)

// Where events may have been stored, the answer says so, and that repeating is safe. Where they were not, it does not.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		code string
	}{
		{fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrUnknown), httperr.UnknownOutcome},
		{context.Canceled, httperr.UnknownOutcome},
		{eventlog.ErrUnavailable, httperr.Unavailable},
	} {
		var e *httperr.Error
		if !errors.As(publishError(&batch{single: true}, tt.err), &e) {
			t.Fatalf("%v: no answer", tt.err)
		}
		safe := strings.Contains(e.Message, "repeat with the same Idempotency-Key, which is safe")
		if e.Status != http.StatusServiceUnavailable || e.Code != tt.code || e.RetryAfter <= 0 || safe != (tt.code == httperr.UnknownOutcome) {
			t.Errorf("%v: %d %s after %v: %s", tt.err, e.Status, e.Code, e.RetryAfter, e.Message)
		}
	}
}
