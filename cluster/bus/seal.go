package bus

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
)

// sumBytes is the size of a seal. Half of a SHA-256 is enough for an authenticator: RFC 2104 section 5.
const sumBytes = 16

// ErrSeal is the error of a message that was not sealed with the cluster's secret.
var ErrSeal = errors.New("the message has no valid seal: it is of a stranger, or of a gateway with another CLUSTER_SECRET")

// Seal returns a message with its authenticator in front. purpose separates messages of different kinds: one cannot be taken
// for another.
func (b *Bus) Seal(purpose string, body []byte) []byte {
	message := make([]byte, sumBytes, sumBytes+len(body))
	copy(message, b.sum(purpose, body))
	return append(message, body...)
}

// Unseal returns the body of a sealed message. It shares the message's memory.
func (b *Bus) Unseal(purpose string, message []byte) ([]byte, error) {
	if len(message) < sumBytes {
		return nil, ErrSeal
	}
	body := message[sumBytes:]
	if !hmac.Equal(message[:sumBytes], b.sum(purpose, body)) {
		return nil, ErrSeal
	}
	return body, nil
}

func (b *Bus) sum(purpose string, body []byte) []byte {
	h := hmac.New(sha256.New, b.secret)
	_, _ = h.Write([]byte(purpose)) // a hash returns no errors
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(body)
	return h.Sum(nil)[:sumBytes]
}
