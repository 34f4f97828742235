// Package idempotency reads the header Idempotency-Key, with which a client may repeat a request whose answer it did not get.
package idempotency

import (
	"net/http"

	"sluice/handlers/httperr"
)

// Header names the request, and Replay is true in an answer that was given before.
const (
	Header = "Idempotency-Key"
	Replay = "Idempotent-Replay"
)

const longest = 128

// Key is the one of a request, "" where it has none.
func Key(h http.Header) (string, error) {
	values := h.Values(Header)
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || !visibleASCII(values[0]) {
		return "", httperr.New(http.StatusBadRequest, httperr.BadIdempotencyKey, "Idempotency-Key must be one value of 1 to %d visible ASCII characters", longest)
	}
	return values[0], nil
}

func visibleASCII(s string) bool {
	if len(s) < 1 || len(s) > longest {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
