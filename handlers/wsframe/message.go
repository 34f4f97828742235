package wsframe

import (
	"errors"
	"unicode/utf8"

	"github.com/coder/websocket"

	"sluice/store/share"
)

const (
	firstBuffer = 512
	// free is what a message may take without being charged.
	free = 4 << 10
	// processed is how many times its length a message takes while something is made of it.
	processed = 2
)

// Message is one that was read, or was skipped.
type Message struct {
	Kind    websocket.MessageType
	Text    []byte
	Refused *share.FullError // why it was skipped: there was no memory for it
	Long    bool             // it was skipped, as it is longer than the limit

	limit     int64
	announced int64 // bytes, by the frames that have begun
	account   *share.Account
	charged   int64
}

// Release gives back what the message took. It may be called again.
func (m *Message) Release() {
	if m.charged > 0 {
		m.account.Give(m.charged)
		m.charged = 0
	}
}

// skipped reports whether the rest of the message is only read.
func (m *Message) skipped() bool { return m.Long || m.Refused != nil }

func (m *Message) skip() {
	m.Text = nil
	m.Release()
}

// charge takes n more bytes; it returns false if the message is skipped because there is no room for them.
func (m *Message) charge(n int64) bool {
	if m.account == nil {
		return true
	}
	if err := m.account.Take(n); err != nil {
		if !errors.As(err, &m.Refused) { // there is no other error
			m.Refused = &share.FullError{}
		}
		m.skip()
		return false
	}
	m.charged += n
	return true
}

// add appends the next part of the message.
func (m *Message) add(r *Reader, part []byte) {
	switch {
	case m.skipped():
		return
	case m.announced > m.limit:
		m.Long = true
		m.skip()
		return
	}
	need := len(m.Text) + len(part)
	if need > cap(m.Text) {
		last := r.frame.Fin && r.done+int64(len(part)) == r.frame.Length
		if !m.grow(need, last) {
			return
		}
	}
	m.Text = append(m.Text, part...)
}

// grow makes room for need bytes: just as much if they are all, otherwise the next double of firstBuffer. So what a message
// takes depends on its length, and not on the pieces in which it comes.
func (m *Message) grow(need int, all bool) bool {
	size, had := int64(need), m.charged
	if !all {
		for size = firstBuffer; size < int64(need); {
			size *= 2
		}
		size = max(int64(need), min(size, m.limit))
	}
	if size > free && !m.charge(size) {
		return false
	}
	larger := make([]byte, len(m.Text), size)
	copy(larger, m.Text)
	m.Text = larger
	if had > 0 {
		m.account.Give(had)
		m.charged -= had
	}
	return true
}

// end checks a whole message, and charges what is made of it. A text must be UTF-8: RFC 6455, 5.6 and 8.1.
func (m *Message) end() error {
	if m.skipped() {
		return nil
	}
	if m.Kind == websocket.MessageText && !utf8.Valid(m.Text) {
		m.Release()
		return &Fault{websocket.StatusInvalidFramePayloadData, "a text message is not UTF-8: RFC 6455, 8.1"}
	}
	if n := int64(processed * len(m.Text)); n > free {
		m.charge(n)
	}
	return nil
}
