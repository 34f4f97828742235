package load

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// upgrade has the header lines that ask for a WebSocket. The key may be any 16 bytes, because nothing here checks the answer
// to it.
var upgrade = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}

// Opcodes of frames.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// frames parses the bytes of a WebSocket, which arrive in pieces of any size.
type frames struct {
	head   []byte // the part of a frame's head that has arrived
	opcode byte
	left   uint64 // bytes of the frame that are still to come
	ping   []byte // the part of a ping's payload that has arrived
	pongs  []byte // answers to pings, still to be sent
}

// feed calls take with each piece of data.
func (w *frames) feed(p []byte, take func([]byte)) error {
	for len(p) > 0 {
		if w.left == 0 {
			var whole bool
			if p, whole = w.begin(p); !whole {
				return nil
			}
			if err := w.checked(); err != nil {
				return err
			}
		}
		n := min(uint64(len(p)), w.left)
		switch w.opcode {
		case opPing:
			w.ping = append(w.ping, p[:n]...)
		case opPong:
		default:
			take(p[:n])
		}
		w.left -= n
		p = p[n:]
		if w.left == 0 && w.opcode == opPing {
			w.pongs = appendFrame(w.pongs, opPong, w.ping)
			w.ping = w.ping[:0]
		}
	}
	return nil
}

// begin reads the head of a frame, and reports whether it is complete.
func (w *frames) begin(p []byte) (rest []byte, whole bool) {
	for len(p) > 0 {
		w.head = append(w.head, p[0])
		p = p[1:]
		if len(w.head) < 2 {
			continue
		}
		length, need := w.head[1]&0x7f, 2
		switch length {
		case 126:
			need = 4
		case 127:
			need = 10
		}
		if len(w.head) < need {
			continue
		}
		switch need {
		case 2:
			w.left = uint64(length)
		case 4:
			w.left = uint64(binary.BigEndian.Uint16(w.head[2:]))
		default:
			w.left = binary.BigEndian.Uint64(w.head[2:])
		}
		return p, true
	}
	return nil, false
}

// checked checks the complete head of a frame.
func (w *frames) checked() error {
	w.opcode = w.head[0] & 0xf
	masked := w.head[1]&0x80 != 0
	w.head = w.head[:0]
	switch {
	case w.opcode == opClose:
		return errors.New("the server closed the WebSocket")
	case masked:
		return errors.New("a server's frame is masked")
	case w.opcode == opPing && w.left > 125:
		return fmt.Errorf("a ping has %d bytes", w.left)
	}
	return nil
}

// appendFrame appends a frame from a client. Such a frame must be masked; the mask is 0, which leaves the bytes unchanged.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	return append(append(dst, 0, 0, 0, 0), payload...)
}
