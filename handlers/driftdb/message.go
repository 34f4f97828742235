package driftdb

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/broker/sse"
	"sluice/handlers/wsframe"
	"sluice/store/eventlog"
	"sluice/store/syntax"
)

// kind is the type of a client's message.
type kind int

const (
	kindPush kind = iota
	kindGet
	kindPing
)

// message is one message of a client.
type message struct {
	kind   kind
	key    string
	op     eventlog.Op
	seq    uint64 // of a compact, or of a get
	live   bool   // a get without a replay: its seq is null
	nonce  []byte // of a ping, as JSON; nil: none
	number uint64 // the nonce as a number
	value  []byte // JSON; nil: a compact to nothing
	raw    []byte // the value as CBOR, if it came as CBOR
}

// wire is a message as both modes decode it. The value is read separately, because null is a value too.
type wire struct {
	Type   string
	Key    *string
	Action *struct {
		Type string
		Seq  *uint64
	}
	Nonce *uint64
}

// maxKey bounds a key.
const maxKey = 1024

// decodeJSON reads a text frame.
func decodeJSON(text []byte) (*message, error) {
	if !utf8.Valid(text) { // Compact does not check this
		return nil, fmt.Errorf("it is not UTF-8")
	}
	v := jsontext.Value(text)
	if err := v.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, fmt.Errorf("it is not JSON: %s", syntax.ExplainJSON(text))
	}
	var fields map[string]json.RawMessage
	var w wire
	if json.Unmarshal(v, &fields) != nil || json.Unmarshal(v, &w) != nil {
		return nil, errNoMessage
	}
	seq, hasSeq := fields["seq"]
	m, err := w.message(string(seq) == "null" && hasSeq)
	if err != nil {
		return nil, err
	}
	if m.kind == kindGet && hasSeq && !m.live {
		if m.seq, err = strconv.ParseUint(string(seq), 10, 64); err != nil {
			return nil, fmt.Errorf("seq is not a whole number")
		}
	}
	if m.kind == kindPush {
		m.value = fields["value"]
		if none := m.value == nil || string(m.value) == "null"; none && m.op == eventlog.Compact {
			m.value = nil
		} else if m.value == nil {
			return nil, errNoValue
		}
	}
	return m, nil
}

// decodeCBOR reads a binary frame.
func decodeCBOR(frame []byte) (*message, error) {
	var w wire
	fields, err := cborFields(frame)
	if err != nil {
		return nil, err
	}
	if err := cborMode.Unmarshal(frame, &w); err != nil {
		return nil, errNoMessage
	}
	seq, hasSeq := fields["seq"]
	m, err := w.message(hasSeq && isNothing(seq))
	if err != nil {
		return nil, err
	}
	if m.kind == kindGet && hasSeq && !m.live {
		if cborMode.Unmarshal(seq, &m.seq) != nil {
			return nil, fmt.Errorf("seq is not a whole number")
		}
	}
	if m.kind == kindPush {
		m.raw = fields["value"]
		if none := m.raw == nil || isNothing(m.raw); none && m.op == eventlog.Compact {
			m.raw = nil
			return m, nil
		} else if m.raw == nil {
			return nil, errNoValue
		}
		if m.value, err = toJSON(m.raw); err != nil {
			return nil, fmt.Errorf("its value cannot be read: %s", syntax.Explain(err))
		}
	}
	return m, nil
}

// isNothing reports whether an item of CBOR is null or undefined.
func isNothing(item []byte) bool { return len(item) == 1 && (item[0] == 0xf6 || item[0] == 0xf7) }

var ops = map[string]eventlog.Op{"append": eventlog.Append, "replace": eventlog.Replace, "relay": eventlog.Relay, "compact": eventlog.Compact}

func (w *wire) message(live bool) (*message, error) {
	m := &message{live: live}
	if w.Key != nil {
		m.key = *w.Key
	}
	if len(m.key) > maxKey {
		return nil, fmt.Errorf("its key is longer than %d bytes", maxKey)
	}
	switch w.Type {
	case "ping":
		m.kind = kindPing
		if w.Nonce != nil {
			m.number = *w.Nonce
			m.nonce = strconv.AppendUint(nil, *w.Nonce, 10)
		}
		return m, nil
	case "get":
		m.kind = kindGet
	case "push":
		if w.Action == nil || ops[w.Action.Type] == 0 {
			return nil, fmt.Errorf(`a push needs an "action" with a "type" of append, replace, relay or compact`)
		}
		if m.op = ops[w.Action.Type]; m.op == eventlog.Compact {
			if w.Action.Seq == nil || *w.Action.Seq > math.MaxInt64 {
				return nil, fmt.Errorf(`a compact needs a "seq"`)
			}
			m.seq = *w.Action.Seq
		}
	default:
		return nil, fmt.Errorf(`its "type" must be push, get or ping`)
	}
	if w.Key == nil {
		return nil, fmt.Errorf(`it needs a "key"`)
	}
	return m, nil
}

// event returns the event to store for a push.
func (m *message) event(space string) eventlog.Event {
	return eventlog.Event{Space: space, Name: "push", Op: m.op, Key: m.key, Seq: m.seq, Data: m.value, Meta: m.raw}
}

// mode is the format of a connection's messages.
type mode bool

const (
	modeJSON mode = false
	modeCBOR mode = true
)

// The server's messages, in either mode. CBOR is written by hand, since a message is a small map around values that are
// already encoded.

func (c mode) push(dst []byte, e *eventlog.Event) []byte {
	if c == modeJSON {
		return sse.AppendPush(dst, e.Key, e.Data, e.Seq)
	}
	dst = appendCBORText(appendType(dst, 4, "push"), "key")
	dst = appendCBORText(dst, e.Key)
	dst = appendCBORText(dst, "value")
	dst = appendValue(dst, e)
	dst = appendCBORText(dst, "seq")
	return appendHead(dst, majorUint, e.Seq)
}

// appendType begins a map of n fields. The first field is the type, whose value is name.
func appendType(dst []byte, n uint64, name string) []byte {
	return appendCBORText(appendCBORText(appendHead(dst, majorMap, n), "type"), name)
}

// appendValue appends a value in CBOR: its original bytes if it came as CBOR, else its JSON converted.
func appendValue(dst []byte, e *eventlog.Event) []byte {
	if len(e.Meta) > 0 {
		return append(dst, e.Meta...)
	}
	out, err := toCBOR(dst, e.Data)
	if err != nil {
		return append(dst, 0xf6) // cannot happen: stored data is valid JSON
	}
	return out
}

func (c mode) init(dst []byte, key string, entries []eventlog.Event) []byte {
	if c == modeJSON {
		dst = syntax.AppendText(append(dst, `{"type":"init","key":`...), key)
		dst = append(dst, `,"data":[`...)
		for i := range entries {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(dst, `{"value":`...), entries[i].Data...)
			dst = strconv.AppendUint(append(dst, `,"seq":`...), entries[i].Seq, 10)
			dst = append(dst, '}')
		}
		return append(dst, "]}"...)
	}
	dst = appendCBORText(appendType(dst, 3, "init"), "key")
	dst = appendCBORText(appendCBORText(dst, key), "data")
	dst = appendHead(dst, majorArray, uint64(len(entries)))
	for i := range entries {
		dst = appendCBORText(appendHead(dst, majorMap, 2), "value")
		dst = appendValue(dst, &entries[i])
		dst = appendHead(appendCBORText(dst, "seq"), majorUint, entries[i].Seq)
	}
	return dst
}

// maxHead is the longest head of a frame from the server.
const maxHead = 10

// initFrame returns the frame of an init. The message is made behind a gap for the head: it can be a whole room, which is not
// to be copied.
func (c mode) initFrame(key string, entries []eventlog.Event) []byte {
	dst := c.init(make([]byte, maxHead, 64+maxHead), key, entries)
	var head [maxHead]byte
	h := wsframe.AppendHead(head[:0], c.kind(), len(dst)-maxHead)
	copy(dst[maxHead-len(h):], h)
	return dst[maxHead-len(h):]
}

func (c mode) size(key string, n int) []byte {
	if c == modeJSON {
		dst := syntax.AppendText([]byte(`{"type":"stream_size","key":`), key)
		return append(strconv.AppendInt(append(dst, `,"size":`...), int64(n), 10), '}')
	}
	dst := appendCBORText(appendType(nil, 3, "stream_size"), "key")
	return appendHead(appendCBORText(appendCBORText(dst, key), "size"), majorUint, uint64(n))
}

func (c mode) pong(m *message) []byte {
	if c == modeJSON {
		if m.nonce == nil {
			return []byte(`{"type":"pong","nonce":null}`)
		}
		return append(append([]byte(`{"type":"pong","nonce":`), m.nonce...), '}')
	}
	dst := appendCBORText(appendType(nil, 2, "pong"), "nonce")
	if m.nonce == nil {
		return append(dst, 0xf6)
	}
	return appendHead(dst, majorUint, m.number)
}

func (c mode) failure(text string) []byte {
	if c == modeJSON {
		return append(syntax.AppendText([]byte(`{"type":"error","message":`), text), '}')
	}
	return appendCBORText(appendCBORText(appendType(nil, 2, "error"), "message"), text)
}
