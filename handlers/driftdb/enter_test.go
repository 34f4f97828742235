package driftdb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"sluice/handlers/httperr"
	"sluice/store/rooms"
)

// Each refusal of the rooms has its answer, with the wait; other errors are the log's.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		code   string
	}{
		{rooms.ErrNoRoom, http.StatusNotFound, httperr.NotFound},
		{&rooms.Refusal{Reason: rooms.Full}, http.StatusTooManyRequests, httperr.TooManyPerRoom},
		{&rooms.Refusal{Reason: rooms.TooMany}, http.StatusServiceUnavailable, httperr.TooManyRooms},
		{&rooms.Refusal{Reason: rooms.TooManyOwn}, http.StatusTooManyRequests, httperr.TooManyRoomsOf},
		{&rooms.Refusal{Reason: rooms.TooFast}, http.StatusTooManyRequests, httperr.RateLimited},
		{errors.New("the log"), http.StatusServiceUnavailable, httperr.Unavailable},
	} {
		var refused *rooms.Refusal
		if errors.As(tt.err, &refused) {
			refused.Message, refused.Wait = "100% full", 7*time.Second
		}
		var e *httperr.Error
		if !errors.As(answerTo(fmt.Errorf("wrapped: %w", tt.err)), &e) || e.Status != tt.status || e.Code != tt.code {
			t.Errorf("%v is answered with %+v, want %d %s", tt.err, e, tt.status, tt.code)
		}
		if refused != nil && (e.Message != refused.Message || e.RetryAfter != refused.Wait) {
			t.Errorf("%v is answered with %q, %s", tt.err, e.Message, e.RetryAfter)
		}
	}
	if answerTo(nil) != nil || refusal(context.Canceled) != nil {
		t.Error("what was not refused is")
	}
}
