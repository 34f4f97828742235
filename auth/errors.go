package auth

import "net/http"

// Error is why a request is not let in. Its message tells the cure and never holds a credential.
type Error struct {
	Status  int // 400 or 401
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Message }

func unauthorized(code, message string) *Error { return &Error{http.StatusUnauthorized, code, message} }

// What can be wrong with credentials.
var (
	errTwoValues    = &Error{http.StatusBadRequest, "ambiguous_credential", "two different values for one credential; send one"}
	errMissing      = unauthorized("missing_credential", "no credential; send an API key as x-apikey or a token as Authorization: Bearer (in a browser's EventSource as ?apikey= or ?token=)")
	errInQuery      = unauthorized("query_credential", "credentials are not taken from the query here (QUERY_CREDENTIALS=false); send them in a header")
	errUnknownKey   = unauthorized("invalid_key", "this API key is not known here")
	errKeyEnded     = unauthorized("invalid_key", "this API key was removed or changed while the request came in; send the request again")
	errKeyExpired   = unauthorized("expired_key", "this API key has expired")
	errNoTokens     = unauthorized("invalid_token", "tokens are not taken here: none of JWT_SECRET, JWT_PUBLIC_KEY_FILE and JWT_JWKS_URL is set")
	errTokenSize    = unauthorized("invalid_token", "the token is longer than 8 KiB")
	errTokenExpired = unauthorized("expired_token", "the token has expired; get a new one")
	errTokenRevoked = unauthorized("revoked_token", "the token was revoked; get a new one")
	errNoJWKS       = unauthorized("keys_unavailable", "the keys of JWT_JWKS_URL could not be fetched yet; the gateway's log has the cause")
)

func badToken(why string) *Error {
	return unauthorized("invalid_token", "the token is not valid: "+why)
}
