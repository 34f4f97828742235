package directus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/documents"
	"sluice/store/documents/query"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// TestErrors: the exact answer to each cause over HTTP, with Directus' status and code, and the same code on a socket.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err               error
		status            int
		wait, code, words string
	}{
		{documents.ErrNotFound, 403, "", "FORBIDDEN", "there is no such document"},
		{fmt.Errorf("%w: %q", documents.ErrTaken, "1"), 400, "", "RECORD_NOT_UNIQUE", `the collection has a document with this id already: \"1\"`},
		{documents.ErrID, 400, "", "INVALID_PAYLOAD", "an id has 1 to 128 characters: letters, digits, and . _ ~ -"},
		{&documents.LimitError{What: "more than %d", Max: 5}, 413, "", "CONTENT_TOO_LARGE", "more than 5"},
		{&documents.LimitError{What: "more than %d", Max: 5, Setting: "MAX_DOCUMENTS"}, 413, "", "CONTENT_TOO_LARGE", "more than 5 (MAX_DOCUMENTS)"},
		{&documents.LimitError{What: "more than %d", Max: 5, Setting: "MAX_RESULT"}, 400, "", "INVALID_QUERY", "more than 5 (MAX_RESULT)"},
		{documents.ErrTime, 400, "", "INVALID_QUERY", "the query took longer than QUERY_TIME: narrow it, or declare an index with COLLECTION_INDEXES"},
		{query.Refuse(query.BadField, "no field"), 400, "", "INVALID_QUERY", "no field"},
		{documents.ErrBusy, 503, "1", "SERVICE_UNAVAILABLE", "too many other requests change this document; try again in a moment"},
		{&share.FullError{Limit: 5, All: true}, 503, "5", "SERVICE_UNAVAILABLE", "all clients together use as much memory as MAX_CLIENT_MEMORY allows, 5 bytes; try again later"},
		{&share.FullError{Limit: 5}, 429, "5", "REQUESTS_EXCEEDED", "this credential (without one, this address) uses as much memory as MAX_MEMORY_PER_KEY allows, 5 bytes; end connections or subscriptions, or send less"},
		{broker.ErrDraining, 503, "5", "SERVICE_UNAVAILABLE", "the gateway is shutting down; come back in a moment"},
		{fmt.Errorf("%w: /srv", eventlog.ErrUnavailable), 503, "2", "SERVICE_UNAVAILABLE", "the log cannot take events now"},
		{fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrDiskFull), 503, "2", "SERVICE_UNAVAILABLE", "the log cannot take events now: the disk is full; the operator must free space"},
		{eventlog.ErrUnknown, 503, "2", "SERVICE_UNAVAILABLE", "the log cannot take events now; it is unknown if this was stored: check before you repeat it"},
		{context.Canceled, 503, "2", "SERVICE_UNAVAILABLE", "the request was canceled"},
		{errors.New("/srv"), 500, "", "INTERNAL_SERVER_ERROR", "the gateway failed; its log has the cause under the X-Request-Id of the request"},
		{&auth.TriesError{After: 6 * time.Second}, 429, "6", "REQUESTS_EXCEEDED", "too many sign-ins failed, for this name or from this address; try again in a moment"},
		{fmt.Errorf("signing in: %w", auth.ErrBusy), 429, "2", "REQUESTS_EXCEEDED", "too many passwords are being checked; try again in a moment"},
		{auth.ErrBadLogin, 401, "", "INVALID_CREDENTIALS", "the email or the password is wrong, or the session has ended; sign in again"},
		{&auth.Error{Status: 401, Code: "invalid_key", Message: "no"}, 401, "", "INVALID_CREDENTIALS", "no"},
		{&auth.Error{Status: 401, Code: auth.ExpiredToken, Message: "no"}, 401, "", "TOKEN_EXPIRED", "no"},
		{&auth.Error{Status: 400, Code: auth.AmbiguousCredential, Message: "no"}, 400, "", "INVALID_CREDENTIALS", "no"},
		{&auth.Error{Status: 429, Code: auth.TooManyTries, Message: "no", After: 1500 * time.Millisecond}, 429, "2", "REQUESTS_EXCEEDED", "no"},
		{&auth.Error{Status: 503, Code: auth.KeysUnavailable, Message: "no", After: time.Second}, 503, "1", "SERVICE_UNAVAILABLE", "no"},
		{httperr.OverRate("too fast", 200*time.Millisecond), 429, "1", "REQUESTS_EXCEEDED", "too fast; slow down"},
		{httperr.ForeignOrigin(), 403, "", "FORBIDDEN", "this key may not be used from this Origin; add it to the key's origins"},
		{httperr.New(413, httperr.BodyTooLarge, "long"), 413, "", "CONTENT_TOO_LARGE", "long"},
		{httperr.New(408, httperr.BodyTimeout, "slow"), 408, "", "INVALID_PAYLOAD", "slow"},
		{httperr.New(400, httperr.BodyUnreadable, "torn"), 400, "", "INVALID_PAYLOAD", "torn"},
		{httperr.New(403, httperr.TooManyPerKey, "crowd"), 403, "", "SERVICE_UNAVAILABLE", "crowd"},
		{badPayload("bad"), 400, "", "INVALID_PAYLOAD", "bad"},
		{httperr.New(403, codeLimit, "limit"), 403, "", "LIMIT_EXCEEDED", "limit"},
	} {
		answer := httptest.NewRecorder()
		ctx := echo.New().NewContext(httptest.NewRequest("POST", "/items/a", nil), answer)
		if err := (&Handler{o: Options{Logger: slog.New(slog.DiscardHandler)}}).refuse(ctx, c.err); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`%d %q {"errors":[{"message":"%s","extensions":{"code":"%s"}}]}`, c.status, c.wait, c.words, c.code)
		if got := fmt.Sprintf("%d %q %s", answer.Code, answer.Header().Get("Retry-After"), answer.Body); got != want+"\n" {
			t.Errorf("got  %swant %s", got, want)
		}
		want = fmt.Sprintf(`{"type":"items","status":"error","error":{"code":"%s","message":"%s"},"uid":7}`, c.code, c.words)
		if got := string(problem(typeItems, httperr.From(c.err), "7")); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
