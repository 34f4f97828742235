package auth

import (
	"crypto/sha256"
	"crypto/subtle"
)

// endedKey is the key of a first start that is not in force any more.
type endedKey struct {
	hash [sha256.Size]byte
	err  *Error
}

func newEndedKey(key, why string) *endedKey {
	if key == "" {
		return nil
	}
	return &endedKey{sha256.Sum256([]byte(key)), guessed(unauthorized(errUnknownKey.Code, "this is the key of the first start, which is not in force, since "+why+"; send another one, or list this one in API_KEYS"))}
}

// is compares hashes in constant time.
func (e *endedKey) is(value string) bool {
	if e == nil {
		return false
	}
	hash := sha256.Sum256([]byte(value))
	return subtle.ConstantTimeCompare(hash[:], e.hash[:]) == 1
}
