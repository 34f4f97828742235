package persistr

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/eventlog"
	"sluice/store/share"
	"sluice/store/streams"
)

// TestErrors: the exact answer to each cause, and the same error in a feed, whose status is always 200.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err               error
		status            int
		wait, name, words string
	}{
		{streams.ErrNoDatabase, 403, "", "Forbidden", "there is no such database"},
		{streams.ErrMayNot, 403, "", "Forbidden", "only an admin may create a namespace by writing to it"},
		{streams.ErrNoNamespace, 404, "", "NamespaceNotFound", "there is no such namespace"},
		{streams.ErrNoStream, 404, "", "StreamNotFound", "there is no such stream"},
		{streams.NoEvent("e", "s"), 404, "", "EventNotFound", `there is no such event: \"e\" in \"s\"`},
		{streams.ErrNoAnnotation, 404, "", "AnnotationNotFound", "the stream has no annotation"},
		{streams.ErrRole, 404, "", "RoleNotFound", "unknown role"},
		{streams.ErrTaken, 400, "", "NameTaken", "the name is taken"},
		{streams.ErrName, 400, "", "BadName", "the name cannot be used"},
		{streams.ErrTooMany, 400, "", "TooMany", "there are too many"},
		{streams.ErrFull, 403, "", "DatabaseFull", "there is no room"},
		{streams.ErrBusy, 503, "2", "ServiceUnavailable", "too many clones of this account wait already; try again when some are done"},
		{account.ErrUnknown, 404, "", "AccountNotFound", "there is no such account"},
		{account.ErrTaken, 400, "", "NameTaken", "the username is taken"},
		{account.ErrName, 400, "", "BadName", "the username cannot be used"},
		{account.ErrPassword, 400, "", "BadPassword", "the password cannot be used"},
		{account.ErrTooMany, 400, "", "TooMany", "there are too many accounts"},
		{account.ErrBusy, 503, "2", "ServiceUnavailable", "too many passwords are being checked; try again in a moment"},
		{&auth.TriesError{After: 6 * time.Second}, 429, "6", "TooManyRequests", "too many sign-ins failed, for this name or from this address; try again in a moment"},
		{&auth.Error{Status: 401, Code: "invalid_key", Message: "no"}, 401, "", "InvalidCredentials", "no"},
		{&auth.Error{Status: 400, Code: auth.AmbiguousCredential, Message: "no"}, 400, "", "InvalidCredentials", "no"},
		{&auth.Error{Status: 429, Code: auth.TooManyTries, Message: "no", After: 1500 * time.Millisecond}, 429, "2", "TooManyRequests", "no"},
		{&auth.Error{Status: 503, Code: auth.KeysUnavailable, Message: "no", After: time.Second}, 503, "1", "ServiceUnavailable", "no"},
		{unauthorized("wrong user or password"), 401, "", "InvalidCredentials", "wrong user or password"},
		{broker.ErrDraining, 503, "5", "ServiceUnavailable", "the gateway is shutting down; come back in a moment"},
		{fmt.Errorf("%w: /srv", eventlog.ErrUnavailable), 503, "2", "ServiceUnavailable", "the log cannot take events now"},
		{fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrDiskFull), 503, "2", "ServiceUnavailable", "the log cannot take events now: the disk is full; the operator must free space"},
		{eventlog.ErrUnknown, 503, "2", "ServiceUnavailable", "the log cannot take events now; it is unknown if this was stored: check before you repeat it"},
		{errors.New("/srv"), 500, "", "InternalError", "Internal service error"},
		{httperr.OverRate("too fast", 200*time.Millisecond), 429, "1", "TooManyRequests", "too fast; slow down"},
		{httperr.ForeignOrigin(), 403, "", "Forbidden", "this key may not be used from this Origin; add it to the key's origins"},
		{&share.FullError{Limit: 5}, 429, "5", "client_memory_full_per_key", "this credential (without one, this address) uses as much memory as MAX_MEMORY_PER_KEY allows, 5 bytes; end connections or subscriptions, or send less"},
		{bad("bad"), 400, "", "BadRequest", "bad"},
		{httperr.New(410, nameExpired, "gone"), 410, "", "EventsExpired", "gone"},
	} {
		h := &Handler{o: Options{Logger: slog.New(slog.DiscardHandler)}}
		for _, door := range []struct {
			answer func(echo.Context, error) error
			want   string
		}{
			{h.refuse, fmt.Sprintf("%d %q {\"error\":\"%s\"}\n", c.status, c.wait, c.words)},
			{h.fail, fmt.Sprintf("200 \"\" retry: 1000\n\nevent: error\ndata: {\"message\":\"%s\",\"name\":\"%s\",\"status\":%d}\n\n", c.words, c.name, c.status)},
		} {
			answer := httptest.NewRecorder()
			if err := door.answer(echo.New().NewContext(httptest.NewRequest("GET", "/db/a/events", nil), answer), c.err); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d %q %s", answer.Code, answer.Header().Get("Retry-After"), answer.Body); got != door.want {
				t.Errorf("got  %swant %s", got, door.want)
			}
		}
	}
}
