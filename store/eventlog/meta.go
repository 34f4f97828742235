package eventlog

import (
	"crypto/rand"
	"encoding/base64"
)

// The first byte of the Meta of an event in /realtime's own space says what the rest is. Clients see nothing of it.
const (
	MetaPart = 'p' // of a change of documents: see package documents
	MetaAll  = 'd' // the same

	metaExcept = 'x' // a Connection, which does not get the event live
)

// Connection names one open stream. It is random, so only its client can name it; the zero value names none.
type Connection [16]byte

// NewConnection returns a new one.
func NewConnection() (c Connection) {
	_, _ = rand.Read(c[:]) // it never fails: crypto/rand ends the process instead
	return c
}

// connectionText is how clients write a Connection: 22 letters, digits, - and _.
var connectionText = base64.RawURLEncoding.Strict()

// String returns the text for clients.
func (c Connection) String() string { return connectionText.EncodeToString(c[:]) }

// ParseConnection reads such a text. It returns false if no Connection has this text.
func ParseConnection(s string) (c Connection, ok bool) {
	if len(s) != connectionText.EncodedLen(len(c)) {
		return c, false
	}
	n, err := connectionText.Decode(c[:], []byte(s))
	return c, err == nil && n == len(c)
}

// LeaveOut makes the event one that a connection does not get live. It is for events of /realtime's own space.
func (e *Event) LeaveOut(c Connection) { e.Meta = append([]byte{metaExcept}, c[:]...) }

// Except returns the connection that does not get the event live; the zero value if there is none.
func (e *Event) Except() (c Connection) {
	if len(e.Meta) == 1+len(c) && e.Meta[0] == metaExcept && e.Space == "" {
		copy(c[:], e.Meta[1:])
	}
	return c
}
