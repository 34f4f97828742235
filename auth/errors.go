package auth

import (
	"fmt"
	"net/http"
	"time"
)

// Error is why a request is refused. Its message says what to do, and never contains a credential.
type Error struct {
	Status  int // 400, 401, 403, 429, 431 or 503
	Code    string
	Message string
	After   time.Duration // with 429 and 503: when to try again

	guess bool // see Guess
}

func (e *Error) Error() string { return e.Message }

// Guess reports whether the credential may be a guess: it is not valid now, and never was.
func (e *Error) Guess() bool { return e.guess }

// Codes that callers compare with.
const (
	TooManyTries        = "too_many_tries"            // too many wrong credentials came from the address
	MissingCredential   = "missing_credential"        // there is none
	AmbiguousCredential = "ambiguous_credential"      // there are two
	CookieOrigin        = "cookie_origin_not_allowed" // a page makes a change by a cookie, and may not
	ExpiredToken        = "expired_token"
	KeysUnavailable     = "keys_unavailable" // whether it is right is not known
	Unavailable         = "unavailable"      // the same, as this gateway cannot follow the others now
	ApplicationRefused  = "application_refused"
	Busy                = "busy" // the application gives no answer now
)

// keysUnavailable is the error of a token that cannot be checked now. Once the set was fetched, an unknown key may be a
// guess.
func keysUnavailable(e *unavailableError) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: KeysUnavailable, Message: e.Error(), After: e.after, guess: e.loaded}
}

func tooManyTries(after time.Duration) *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Code: TooManyTries, After: after,
		Message: "too many wrong credentials came from this address; try again in a moment (if the gateway is behind a proxy, set TRUSTED_PROXIES)",
	}
}

func unauthorized(code, message string) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: code, Message: message}
}

// foreign reports whether a credential is none of ours, so that it may be the application's. One of ours that has ended is
// not foreign.
func (e *Error) foreign() bool {
	return e.Status == http.StatusUnauthorized && (e.guess || e.Code == invalidToken)
}

// guessed marks an error: its credential may be a guess.
func guessed(e *Error) *Error {
	e.guess = true
	return e
}

// invalidToken is the code of a token that is not ours, or not one.
const invalidToken = "invalid_token"

// What can be wrong with credentials.
var (
	errTwoValues    = &Error{Status: http.StatusBadRequest, Code: AmbiguousCredential, Message: "two different values for one credential; send one"}
	errTwoCookies   = &Error{Status: http.StatusBadRequest, Code: AmbiguousCredential, Message: "two cookies of the name of CREDENTIAL_COOKIE with different values, of two paths or domains; remove one"}
	errMissing      = unauthorized(MissingCredential, "no credential; send an API key as x-apikey or a token as Authorization: Bearer (in a browser's EventSource as ?apikey= or ?token=)")
	errInQuery      = unauthorized("query_credential", "credentials in the query are not accepted here (QUERY_CREDENTIALS=false); send them in a header")
	errUnknownKey   = guessed(unauthorized("invalid_key", "this API key is not known here"))
	errKeyEnded     = unauthorized("invalid_key", "this API key was removed or changed during the request; send the request again")
	errKeyExpired   = unauthorized("expired_key", "this API key has expired")
	errNoTokens     = guessed(unauthorized(invalidToken, "tokens are not accepted here: none of JWT_SECRET, JWT_PUBLIC_KEY_FILE and JWT_JWKS_URL is set"))
	errTokenSize    = guessed(unauthorized(invalidToken, "the token is longer than 8 KiB"))
	errTokenExpired = unauthorized(ExpiredToken, "the token has expired; get a new one")
	errTokenRevoked = unauthorized("revoked_token", "the token was revoked; get a new one")
)

// What can be wrong with what the application decides.
var (
	errQuestionSize = &Error{Status: http.StatusRequestHeaderFieldsTooLarge, Code: "headers_too_large", Message: "the headers that the application needs have more than 16 KiB (AUTH_FORWARD); send fewer or shorter cookies"}
	errNoAnswer     = &Error{Status: http.StatusServiceUnavailable, Code: Busy, After: 2 * time.Second, Message: "the application that decides about this request gives no answer now; try again in a moment (the gateway's log has the cause)"}
	errAnswerEnded  = unauthorized(ApplicationRefused, "what the application granted was changed or revoked during the request; send the request again")
	errAnswerOver   = &Error{Status: http.StatusServiceUnavailable, Code: Busy, After: time.Second, Message: "the application's answer ran out during the request; send the request again"}
)

// errBehind is the error of a credential that this gateway does not know, while it cannot find out what the others know.
var errBehind = &Error{
	Status: http.StatusServiceUnavailable, Code: Unavailable, After: 2 * time.Second,
	Message: "this gateway cannot reach the other gateways now, and does not know this credential; try again in a moment",
}

// missing is errMissing, with the cookie that may carry a credential too.
func missing(cookie string) *Error {
	if cookie == "" {
		return errMissing
	}
	return unauthorized(MissingCredential, errMissing.Message+", or in the cookie "+cookie+" (pages of other origins send it if they ask for credentials)")
}

// noOrigin is the error of a change by a cookie that does not show its page.
var noOrigin = &Error{
	Status: http.StatusForbidden, Code: CookieOrigin,
	Message: "a change or a WebSocket by a cookie needs the header Origin, which browsers send with a POST or a WebSocket; from a program, send the credential in a header",
}

// foreignPage is the error of a change by a cookie from a page that may make none.
func foreignPage(origin string) *Error {
	return &Error{
		Status: http.StatusForbidden, Code: CookieOrigin,
		Message: fmt.Sprintf("pages of the origin %.200q may not make a change or open a WebSocket by a cookie: add it to CORS_ORIGINS, or send the credential in a header "+
			"(if it is the gateway's own origin, behind a proxy, set TRUSTED_PROXIES)", origin),
	}
}

func badToken(why string) *Error {
	return unauthorized(invalidToken, "the token is not valid: "+why)
}
