package httperr

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/auth/passwords"
	"sluice/auth/user"
	"sluice/broker"
	"sluice/store/documents"
	"sluice/store/documents/query"
	"sluice/store/eventlog"
	"sluice/store/rooms"
	"sluice/store/share"
	"sluice/store/streams"
	"sluice/store/subscriptions"
)

// When to try again, by what has to happen first.
const (
	afterTurn    = time.Second      // others have finished what they ask for now
	afterLog     = 2 * time.Second  // the log, or whoever checks passwords, has done what waits
	afterClients = 5 * time.Second  // clients have given memory back, or the gateway runs again
	afterAnswers = 30 * time.Second // remembered answers have been forgotten
)

// causes are the errors of the packages below that need no more than a status and a code. The first match counts.
var causes = []struct {
	err    error
	status int
	code   string
	after  time.Duration // see RetryAfter
	text   string        // the message; "": all of the error's text
}{
	{err: documents.ErrNotFound, status: http.StatusNotFound, code: NotFound},
	{err: documents.ErrCollection, status: http.StatusNotFound, code: NotFound},
	{err: documents.ErrTaken, status: http.StatusConflict, code: IDTaken},
	{err: documents.ErrTwice, status: http.StatusBadRequest, code: BadDocument},
	{err: documents.ErrID, status: http.StatusBadRequest, code: BadDocument},
	{err: documents.ErrShape, status: http.StatusBadRequest, code: BadDocument},
	{err: documents.ErrTime, status: http.StatusBadRequest, code: QueryTooSlow},
	// They log no cause: a client that asks for too much must not fill the log.
	{documents.ErrCrowd, http.StatusServiceUnavailable, Busy, afterTurn, documents.ErrCrowd.Error()},
	{documents.ErrMemory, http.StatusServiceUnavailable, Busy, afterTurn, documents.ErrMemory.Error()},
	{documents.ErrBusy, http.StatusServiceUnavailable, Busy, afterTurn, documents.ErrBusy.Error()},
	{share.ErrQueueFull, http.StatusServiceUnavailable, Busy, afterTurn, share.ErrQueueFull.Error()},

	{err: subscriptions.ErrUnknown, status: http.StatusNotFound, code: UnknownSubscription, text: "this credential has no subscription of this name, or it has ended: POST the list to /realtime/subscriptions again"},
	{subscriptions.ErrOwner, http.StatusTooManyRequests, TooManyNamesPerKey, subscriptions.Gone, "this credential has too many lists of channels with a name; those that nobody uses end by themselves"},
	{subscriptions.ErrAll, http.StatusServiceUnavailable, TooManyNames, subscriptions.Gone, "too many lists of channels have a name; those that nobody uses end by themselves"},

	{err: rooms.ErrNoRoom, status: http.StatusNotFound, code: NotFound, text: "this room does not exist, or no longer: POST /new makes one"},

	{err: streams.ErrNoDatabase, status: http.StatusForbidden, code: Forbidden},
	{err: streams.ErrMayNot, status: http.StatusForbidden, code: Forbidden},
	{err: streams.ErrNoNamespace, status: http.StatusNotFound, code: NamespaceNotFound},
	{err: streams.ErrNoStream, status: http.StatusNotFound, code: StreamNotFound},
	{err: streams.ErrNoEvent, status: http.StatusNotFound, code: EventNotFound},
	{err: streams.ErrNoAnnotation, status: http.StatusNotFound, code: AnnotationNotFound},
	{err: streams.ErrRole, status: http.StatusNotFound, code: RoleNotFound},
	{err: streams.ErrTaken, status: http.StatusBadRequest, code: NameTaken},
	{err: streams.ErrName, status: http.StatusBadRequest, code: BadName},
	{err: streams.ErrTooMany, status: http.StatusBadRequest, code: TooMany},
	{err: streams.ErrFull, status: http.StatusForbidden, code: DatabaseFull},
	{err: streams.ErrBusy, status: http.StatusServiceUnavailable, code: Busy, after: afterLog},

	{err: account.ErrUnknown, status: http.StatusNotFound, code: AccountNotFound},
	{err: account.ErrTaken, status: http.StatusBadRequest, code: NameTaken},
	{err: account.ErrName, status: http.StatusBadRequest, code: BadName},
	{err: account.ErrPassword, status: http.StatusBadRequest, code: BadPassword},
	{err: account.ErrTooMany, status: http.StatusBadRequest, code: TooMany},

	{err: user.ErrUnknown, status: http.StatusNotFound, code: NotFound},
	{err: user.ErrTaken, status: http.StatusConflict, code: UserExists, text: user.ErrTaken.Error() + "; change it with PATCH /admin/users/EMAIL"},
	{err: user.ErrInvalid, status: http.StatusBadRequest, code: BadUser},
	{err: user.ErrTooMany, status: http.StatusBadRequest, code: BadUser},

	{err: auth.ErrBadLogin, status: http.StatusUnauthorized, code: BadLogin},
	{auth.ErrBusy, http.StatusServiceUnavailable, TooManySignIns, afterLog, auth.ErrBusy.Error()},
	{err: auth.ErrExceeds, status: http.StatusForbidden, code: Forbidden},
	{err: auth.ErrNoMint, status: http.StatusForbidden, code: Forbidden},
	{err: auth.ErrAsked, status: http.StatusBadRequest, code: BadToken},
	{err: auth.ErrOtherBody, status: http.StatusConflict, code: IdempotencyConflict, text: "this Idempotency-Key was used with another body; use a new one for a new key"},
	{err: auth.ErrNoKey, status: http.StatusNotFound, code: NotFound},
	{err: auth.ErrReadOnly, status: http.StatusConflict, code: ReadOnly},
	{err: auth.ErrFirstKey, status: http.StatusConflict, code: ReadOnly},
	{err: auth.ErrBadKey, status: http.StatusBadRequest, code: BadKey},
	{err: auth.ErrTooManyKeys, status: http.StatusBadRequest, code: BadKey},
	{err: auth.ErrRevocation, status: http.StatusBadRequest, code: BadRevocation},
	{err: auth.ErrTooManyRevoked, status: http.StatusBadRequest, code: BadRevocation},

	{err: eventlog.ErrKeyConflict, status: http.StatusConflict, code: IdempotencyConflict, text: "this Idempotency-Key was used with another body; use a new one for a new publish"},
	{eventlog.ErrTooManyKeys, http.StatusTooManyRequests, TooManyKeys, afterAnswers, "the gateway remembers too many Idempotency-Keys now; try again later, or publish in batches"},
	{broker.ErrDraining, http.StatusServiceUnavailable, Draining, afterClients, "the gateway is shutting down; come back in a moment"},
}

// From turns any error into an answer. An unknown error is a 500 that does not show its cause to the client.
func From(err error) *Error {
	if e := known(err); e != nil {
		return e
	}
	return New(http.StatusInternalServerError, Internal, "the gateway failed; its log has the cause under the X-Request-Id of the request").Because(err)
}

// OfLog is From for an error of the log. An unknown one counts as a temporary fault of the log.
func OfLog(err error) *Error {
	if e := known(err); e != nil {
		return e
	}
	return ofLog(err)
}

// known returns the answer to an error, nil if it knows none.
func known(err error) *Error {
	if e := typed(err); e != nil {
		return e
	}
	for i := range causes {
		c := &causes[i]
		if !errors.Is(err, c.err) {
			continue
		}
		e := &Error{Status: c.status, Code: c.code, Message: c.text, RetryAfter: c.after}
		if e.Message == "" {
			e.Message = err.Error()
		}
		return e
	}
	var full *share.FullError
	switch {
	case errors.As(err, &full):
		return overMemory(full)
	case eventlog.DiskFull(err), errors.Is(err, eventlog.ErrUnavailable), errors.Is(err, eventlog.ErrUnknown):
		return ofLog(err)
	case errors.Is(err, context.Canceled): // last: of what the log has taken already the outcome is unknown
		return New(http.StatusServiceUnavailable, Unavailable, "the request was canceled").After(afterLog)
	}
	return nil
}

// typed returns the answer to an error whose type carries it, nil for others.
func typed(err error) *Error {
	var (
		e       *Error
		he      *echo.HTTPError
		refused *auth.Error
		tries   *passwords.TriesError
		limit   *documents.LimitError
		room    *rooms.Refusal
	)
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &he):
		return ofEcho(he)
	case errors.As(err, &refused):
		return ofAuth(refused)
	case errors.As(err, &tries):
		return New(http.StatusTooManyRequests, auth.TooManyTries, "%v", tries).After(tries.After)
	case errors.As(err, new(*query.Error)):
		return New(http.StatusBadRequest, BadQuery, "%v", err)
	case errors.As(err, &limit):
		return overLimit(limit, err)
	case errors.As(err, &room):
		to := ofRooms[room.Reason]
		return New(to.status, to.code, "%s", room.Message).After(room.Wait)
	}
	return nil
}

// ofRooms are the answers to what rooms refuse.
var ofRooms = map[rooms.Reason]struct {
	status int
	code   string
}{
	rooms.Full:       {http.StatusTooManyRequests, TooManyPerRoom},
	rooms.TooMany:    {http.StatusServiceUnavailable, TooManyRooms},
	rooms.TooManyOwn: {http.StatusTooManyRequests, TooManyRoomsOf},
	rooms.TooFast:    {http.StatusTooManyRequests, RateLimited},
}

// ofEcho is an error of the router.
func ofEcho(e *echo.HTTPError) *Error {
	switch e.Code {
	case http.StatusNotFound:
		return New(e.Code, NotFound, "there is nothing here; events are at /realtime")
	case http.StatusMethodNotAllowed:
		return New(e.Code, MethodNotAllowed, "this method is not allowed here; see the Allow header")
	}
	return New(e.Code, Internal, "%s", http.StatusText(e.Code))
}

// ofAuth is why a credential was refused, as an answer.
func ofAuth(e *auth.Error) *Error {
	a := New(e.Status, e.Code, "%s", e.Message)
	if a.Passes() {
		return a.After(e.After)
	}
	return a
}

// ofLog turns an error of the log into an answer. It names no folder; only the gateway's own log does.
func ofLog(err error) *Error {
	code, text := Unavailable, eventlog.Explain(err)
	switch {
	case errors.Is(err, eventlog.ErrUnknown):
		code, text = UnknownOutcome, text+"; it is unknown if this was stored: check before you repeat it"
	case eventlog.DiskFull(err):
		code = DiskFull
	}
	return New(http.StatusServiceUnavailable, code, "%s", text).After(afterLog).Because(err)
}

// overLimit is the answer to a request that would exceed a bound of documents.
func overLimit(limit *documents.LimitError, err error) *Error {
	status, code := http.StatusRequestEntityTooLarge, TooManyDocuments
	switch limit.Setting {
	case documents.MaxDocument:
		code = DocumentTooLarge
	case documents.MaxResult:
		status, code = http.StatusBadRequest, ResultTooLarge
	case documents.MaxDocuments, documents.MaxCollectionBytes, documents.MaxCollections:
		status, code = http.StatusConflict, CollectionFull
	}
	return New(status, code, "%v", err)
}

// overMemory is the answer to a client that uses too much memory.
func overMemory(full *share.FullError) *Error {
	if full.All {
		return New(http.StatusServiceUnavailable, MemoryFull,
			"all clients together use as much memory as MAX_CLIENT_MEMORY allows, %d bytes; try again later", full.Limit).After(afterClients)
	}
	return New(http.StatusTooManyRequests, MemoryFullPerKey,
		"this credential (without one, this address) uses as much memory as MAX_MEMORY_PER_KEY allows, %d bytes; end connections or subscriptions, or send less", full.Limit).After(afterClients)
}
