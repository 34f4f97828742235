package wsframe

import (
	"encoding/binary"
	"math"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"sluice/store/share"
)

// Reader reads the frames that a client sends. The zero value, with a limit, is ready.
type Reader struct {
	Limit    int64          // most bytes of a message
	SkipLong bool           // skip a message that is too long, up to 16 times the limit, instead of failing
	Account  *share.Account // which messages are charged to

	head    [ws.MaxHeaderSize]byte // of the frame whose head arrives
	headLen uint8
	inFrame bool // the payload of frame arrives
	frame   ws.Header
	done    int64    // bytes of the payload that have arrived
	control []byte   // the payload of a control frame
	message *Message // under way; nil: none
}

// Kind is what the bytes were the end of.
type Kind uint8

// The kinds. Partial is the end of nothing: more bytes are needed.
const (
	Partial Kind = iota
	Whole        // a message
	Ping
	Pong
	Close
)

// Event is what Read has found.
type Event struct {
	Kind    Kind
	Message *Message // of Whole
	Payload []byte   // of a ping or a pong; valid until the next call

	Code websocket.StatusCode // of Close
}

// Fault is an error of the client. The connection ends with the close code.
type Fault struct {
	Code websocket.StatusCode
	Text string
}

func (f *Fault) Error() string { return f.Text }

// Under reports whether a frame or a message has begun and is not whole.
func (r *Reader) Under() bool { return r.headLen > 0 || r.inFrame || r.message != nil }

// Read reads the next bytes, up to the end of one message or control frame. It changes b, and returns the bytes that it has
// not read. An error is a *Fault.
func (r *Reader) Read(b []byte) (rest []byte, e Event, err error) {
	for {
		if !r.inFrame {
			var whole bool
			if b, whole = r.readHead(b); !whole {
				return nil, Event{}, nil
			}
			if err := r.begin(); err != nil {
				return nil, Event{}, err
			}
		}
		part := b[:min(int64(len(b)), r.frame.Length-r.done)]
		b = b[len(part):]
		ws.Cipher(part, r.frame.Mask, int(r.done%4))
		if r.frame.OpCode.IsControl() {
			r.control = append(r.control, part...)
		} else {
			r.message.add(r, part)
		}
		if r.done += int64(len(part)); r.done < r.frame.Length {
			return nil, Event{}, nil
		}
		r.inFrame = false
		switch {
		case r.frame.OpCode.IsControl():
			e, err = r.endControl()
			return b, e, err
		case r.frame.Fin:
			m := r.message
			r.message = nil
			if err := m.end(); err != nil {
				return nil, Event{}, err
			}
			return b, Event{Kind: Whole, Message: m}, nil
		}
	}
}

// readHead collects the head of a frame, and decodes it once it is whole: RFC 6455, 5.2.
func (r *Reader) readHead(b []byte) (rest []byte, whole bool) {
	for {
		need := headSize(r.head[:r.headLen])
		if int(r.headLen) == need {
			break
		}
		if len(b) == 0 {
			return nil, false
		}
		n := copy(r.head[r.headLen:need], b)
		r.headLen += uint8(n)
		b = b[n:]
	}
	h := r.head[:r.headLen]
	r.headLen = 0
	r.frame = ws.Header{Fin: h[0]&0x80 != 0, Rsv: h[0] >> 4 & 7, OpCode: ws.OpCode(h[0] & 0x0f), Masked: h[1]&0x80 != 0}
	switch h[1] & 0x7f {
	case 126:
		r.frame.Length = int64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		r.frame.Length = int64(binary.BigEndian.Uint64(h[2:])) // below 0 if the highest bit is set, which begin refuses
	default:
		r.frame.Length = int64(h[1] & 0x7f)
	}
	if r.frame.Masked {
		copy(r.frame.Mask[:], h[len(h)-4:])
	}
	return b, true
}

// headSize returns the length of a head that begins with these bytes, as far as they show it.
func headSize(h []byte) int {
	if len(h) < 2 {
		return 2
	}
	n := 2
	switch h[1] & 0x7f {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	if h[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin checks a head, and begins its frame.
func (r *Reader) begin() error {
	h := &r.frame
	state := ws.StateServerSide
	if r.message != nil {
		state = state.Set(ws.StateFragmented)
	}
	switch {
	case !h.Masked: // first: what else could be wrong with a frame is said of masked ones
		return &Fault{websocket.StatusProtocolError, "a client must mask its frames: RFC 6455, 5.1"}
	case h.Length < 0:
		return &Fault{websocket.StatusProtocolError, ws.ErrHeaderLengthMSB.Error()}
	}
	if err := ws.CheckHeader(*h, state); err != nil {
		return &Fault{websocket.StatusProtocolError, err.Error()}
	}
	r.inFrame, r.done = true, 0
	if h.OpCode.IsControl() {
		r.control = r.control[:0]
		return nil
	}
	if r.message == nil {
		r.message = &Message{Kind: websocket.MessageType(h.OpCode), account: r.Account, limit: r.Limit}
	}
	return r.message.announce(h.Length, r.SkipLong)
}

// longest is how many times the limit a message may have that is skipped.
const longest = 16

// announce refuses a frame that makes the message too long.
func (m *Message) announce(n int64, skips bool) error {
	most := m.limit
	if skips {
		most = longest * min(m.limit, math.MaxInt64/longest/2)
	}
	if n > most-m.announced {
		m.Release()
		return &Fault{websocket.StatusMessageTooBig, "a message is longer than the limit"}
	}
	m.announced += n
	return nil
}

// endControl makes the event of a control frame.
func (r *Reader) endControl() (Event, error) {
	payload := r.control
	r.control = nil // an idle connection has none
	switch r.frame.OpCode {
	case ws.OpPing:
		return Event{Kind: Ping, Payload: payload}, nil
	case ws.OpPong:
		return Event{Kind: Pong, Payload: payload}, nil
	}
	return closeOf(payload)
}
