package wsframe

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
)

// AppendHead appends the head of an unfragmented message of n bytes, unmasked as from a server: RFC 6455, 5.2.
func AppendHead(dst []byte, kind websocket.MessageType, n int) []byte {
	return appendHead(dst, ws.OpCode(kind), n) // the library's kinds are the opcodes
}

func appendHead(dst []byte, op ws.OpCode, n int) []byte {
	dst = append(dst, 0x80|byte(op)) // FIN
	switch {
	case n < 126:
		return append(dst, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
}

// Append appends a message.
func Append(dst []byte, kind websocket.MessageType, text []byte) []byte {
	return append(AppendHead(dst, kind, len(text)), text...)
}

// AppendPing appends a ping without a payload.
func AppendPing(dst []byte) []byte { return appendHead(dst, ws.OpPing, 0) }

// AppendPong appends the answer to a ping.
func AppendPong(dst, payload []byte) []byte {
	return append(appendHead(dst, ws.OpPong, len(payload)), payload...)
}

// maxReason bounds the text of a close: a control frame has at most 125 bytes.
const maxReason = 123

// NoCode is the code of a close without one; it is in no frame.
const NoCode websocket.StatusCode = 1005

// AppendClose appends a close; one with NoCode has neither code nor text.
func AppendClose(dst []byte, code websocket.StatusCode, text string) []byte {
	if code == NoCode {
		return appendHead(dst, ws.OpClose, 0)
	}
	if n := maxReason; len(text) > n {
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	dst = appendHead(dst, ws.OpClose, 2+len(text))
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), text...)
}

// closeOf reads the payload of a close: RFC 6455, 5.5.1 and 7.4.
func closeOf(payload []byte) (Event, error) {
	e := Event{Kind: Close, Code: NoCode}
	if len(payload) == 0 {
		return e, nil
	}
	if len(payload) == 1 {
		return Event{}, &Fault{websocket.StatusProtocolError, "a close has a code of two bytes, or nothing"}
	}
	if e.Code = websocket.StatusCode(binary.BigEndian.Uint16(payload)); !sendable(e.Code) {
		return Event{}, &Fault{websocket.StatusProtocolError, fmt.Sprintf("a close may not have the code %d", e.Code)}
	}
	if !utf8.Valid(payload[2:]) {
		return Event{}, &Fault{websocket.StatusInvalidFramePayloadData, "the text of a close is not UTF-8"}
	}
	return e, nil
}

// sendable reports whether a close may have the code, by the registry of RFC 6455, 11.7, as it is now. The library for heads
// does not know the codes 1012 to 1014.
func sendable(code websocket.StatusCode) bool {
	switch code {
	case 1004, NoCode, 1006, 1015:
		return false
	}
	return code >= 1000 && code <= 1014 || code >= 3000 && code <= 4999
}
