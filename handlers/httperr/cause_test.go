package httperr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/auth/user"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/documents"
	"sluice/store/documents/query"
	"sluice/store/eventlog"
	"sluice/store/rooms"
	"sluice/store/share"
	"sluice/store/streams"
)

// TestFrom: each cause has one status, one code and one wait, however it is wrapped. What passes says when to come back,
// and what the client is to mend does not; only the gateway's own faults have a cause for the log.
func TestFrom(t *testing.T) {
	t.Parallel()
	full := fmt.Errorf("%w: %w", eventlog.ErrUnavailable, syscall.ENOSPC)
	for _, c := range []struct {
		err    error
		want   string
		logged bool
	}{
		{documents.ErrNotFound, "404 not_found 0s", false},
		{documents.ErrCollection, "404 not_found 0s", false},
		{documents.ErrTaken, "409 id_taken 0s", false},
		{documents.ErrShape, "400 bad_document 0s", false},
		{documents.ErrTwice, "400 bad_document 0s", false},
		{documents.ErrID, "400 bad_document 0s", false},
		{documents.ErrTime, "400 query_too_slow 0s", false},
		{&documents.LimitError{What: "%d", Setting: "MAX_RESULT"}, "400 result_too_large 0s", false},
		{&documents.LimitError{What: "%d", Setting: "MAX_DOCUMENT"}, "413 document_too_large 0s", false},
		{&documents.LimitError{What: "%d", Setting: "MAX_DOCUMENTS"}, "409 collection_full 0s", false},
		{&documents.LimitError{What: "%d", Setting: "MAX_COLLECTION_BYTES"}, "409 collection_full 0s", false},
		{&documents.LimitError{What: "%d", Setting: "MAX_COLLECTIONS"}, "409 collection_full 0s", false},
		{&documents.LimitError{What: "%d"}, "413 too_many_documents 0s", false},
		{query.Refuse(query.BadField, "x"), "400 bad_query 0s", false},
		{documents.ErrBusy, "503 busy 1s", false},
		{documents.ErrCrowd, "503 busy 1s", false},
		{fmt.Errorf("%w: %w", documents.ErrMemory, &share.FullError{Limit: 5}), "503 busy 1s", false},
		{share.ErrQueueFull, "503 busy 1s", false},
		{&share.FullError{Limit: 5}, "429 client_memory_full_per_key 5s", false},
		{&share.FullError{Limit: 5, All: true}, "503 client_memory_full 5s", false},

		{rooms.ErrNoRoom, "404 not_found 0s", false},
		{&rooms.Refusal{Reason: rooms.Full, Message: "100% full", Wait: 7 * time.Second}, "429 too_many_connections_per_room 7s", false},
		{&rooms.Refusal{Reason: rooms.TooMany, Message: "x", Wait: time.Minute}, "503 too_many_rooms 1m0s", false},
		{&rooms.Refusal{Reason: rooms.TooManyOwn, Message: "x", Wait: time.Minute}, "429 too_many_rooms_of_client 1m0s", false},
		{&rooms.Refusal{Reason: rooms.TooFast, Message: "x", Wait: 7}, "429 rate_limited 7ns", false},

		{streams.ErrNoDatabase, "403 forbidden 0s", false},
		{streams.ErrMayNot, "403 forbidden 0s", false},
		{streams.ErrNoNamespace, "404 NamespaceNotFound 0s", false},
		{streams.NoEvent("1", "s"), "404 EventNotFound 0s", false},
		{streams.ErrFull, "403 database_full 0s", false},
		{streams.ErrBusy, "503 busy 2s", false},
		{account.ErrUnknown, "404 AccountNotFound 0s", false},
		{account.ErrTaken, "400 NameTaken 0s", false},
		{account.ErrBusy, "503 too_many_sign_ins 2s", false},
		{user.ErrTaken, "409 user_exists 0s", false},

		{&auth.Error{Status: 401, Code: "invalid_key", Message: "x"}, "401 invalid_key 0s", false},
		{&auth.Error{Status: 503, Code: auth.KeysUnavailable, Message: "x", After: 7 * time.Second}, "503 keys_unavailable 7s", false},
		{&auth.Error{Status: 429, Code: auth.TooManyTries, Message: "x"}, "429 too_many_tries 1ns", false},
		{&auth.TriesError{After: 6 * time.Second}, "429 too_many_tries 6s", false},
		{user.ErrUsed, "401 invalid_login 0s", false},
		{auth.ErrExceeds, "403 forbidden 0s", false},
		{auth.ErrNoKey, "404 not_found 0s", false},
		{auth.ErrOtherBody, "409 idempotency_conflict 0s", false},

		{eventlog.ErrKeyConflict, "409 idempotency_conflict 0s", false},
		{eventlog.ErrTooManyKeys, "429 too_many_idempotency_keys 30s", false},
		{eventlog.ErrUnavailable, "503 unavailable 2s", true},
		{full, "503 disk_full 2s", true},
		{fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrUnknown), "503 unknown_outcome 2s", true},
		{fmt.Errorf("%w: %w", full, eventlog.ErrUnknown), "503 unknown_outcome 2s", true},
		{fmt.Errorf("%w: %w", eventlog.ErrUnknown, context.Canceled), "503 unknown_outcome 2s", true},
		{context.Canceled, "503 unavailable 2s", false},
		{broker.ErrDraining, "503 draining 5s", false},

		{echo.ErrNotFound, "404 not_found 0s", false},
		{echo.ErrMethodNotAllowed, "405 method_not_allowed 0s", false},
		{errors.New("else"), "500 internal 0s", true},
		{httperr.New(418, "x", "y").After(0), "418 x 1ns", false},
	} {
		e := httperr.From(fmt.Errorf("wrapped: %w", c.err))
		if got := fmt.Sprintf("%d %s %v", e.Status, e.Code, e.RetryAfter); got != c.want || e.Message == "" || strings.Contains(e.Message, "%!") || (e.Cause != nil) != c.logged {
			t.Errorf("%v: %s, cause %v, want %s", c.err, got, e.Cause, c.want)
		}
	}
}

// TestOfLog: what the log was asked passes, unless it is known to be something else.
func TestOfLog(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("else"), "503 unavailable"},
		{syscall.ENOSPC, "503 disk_full"},
		{eventlog.ErrUnknown, "503 unknown_outcome"},
		{context.DeadlineExceeded, "503 unavailable"},
		{broker.ErrDraining, "503 draining"},
		{eventlog.ErrKeyConflict, "409 idempotency_conflict"},
	} {
		e := httperr.OfLog(c.err)
		if got := fmt.Sprint(e.Status, " ", e.Code); got != c.want || e.Passes() != (e.RetryAfter > 0) {
			t.Errorf("%v: %s after %v, want %s", c.err, got, e.RetryAfter, c.want)
		}
	}
}

// TestMessagesTellNoPath: what the log says of its files is for the operator.
func TestMessagesTellNoPath(t *testing.T) {
	t.Parallel()
	secret := errors.New("open /srv/data/000012.log: input/output error")
	for _, err := range []error{
		secret, fmt.Errorf("%w: %w", eventlog.ErrUnavailable, secret), fmt.Errorf("%w: %w: %w", eventlog.ErrUnavailable, eventlog.ErrUnknown, secret),
		fmt.Errorf("%w: %w", syscall.ENOSPC, secret), fmt.Errorf("%w: %w", documents.ErrBusy, secret), fmt.Errorf("%w: %w", broker.ErrDraining, secret),
	} {
		for _, e := range []*httperr.Error{httperr.From(err), httperr.OfLog(err)} {
			if got := e.Error(); got == "" || strings.Contains(got, "/srv") {
				t.Errorf("%v: %s", err, got)
			}
		}
	}
}
