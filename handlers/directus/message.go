package directus

import (
	"strings"

	"github.com/tidwall/gjson"

	"sluice/handlers/httperr"
)

// Types of messages.
const (
	typeAuth         = "auth"
	typeSubscribe    = "subscribe"
	typeUnsubscribe  = "unsubscribe"
	typeItems        = "items"
	typePing         = "ping"
	typePong         = "pong"
	typeServer       = "server"       // of errors before a message has a type
	typeSubscription = "subscription" // a subscription's items and changes
)

// maxUID bounds the uid, which a subscription stores.
const maxUID = 128

// message is a message of a client.
type message struct {
	gjson.Result
	kind string
	uid  string // as it came: a JSON string or number; "" without
}

// decode parses a frame. Its error has the type server, since the message's type is not known yet.
func (h *Handler) decode(frame []byte) (*message, error) {
	v, err := h.compact(frame)
	if err != nil {
		return nil, err
	}
	kind, uid := v.Get("type"), v.Get("uid")
	if !v.IsObject() || kind.Type != gjson.String {
		return nil, badPayload(`a message must be an object with a "type"`)
	}
	m := &message{Result: v, kind: kind.Str}
	switch {
	case uid.Type == gjson.Null: // the same as no uid
	case uid.Type != gjson.String && uid.Type != gjson.Number || len(uid.Raw) > maxUID:
		return nil, badPayload("a uid must be a string or a number of at most %d bytes", maxUID)
	default:
		m.uid = uid.Raw
	}
	return m, nil
}

// text returns a field that must be a string.
func (m *message) text(name string) (string, error) {
	v := m.Get(name)
	if v.Type != gjson.String || v.Str == "" {
		return "", badPayload("%q must be a string", name)
	}
	return v.Str, nil
}

// appendUID ends a message with the uid of what it answers.
func appendUID(dst []byte, uid string) []byte {
	if uid != "" {
		dst = append(append(dst, `,"uid":`...), uid...)
	}
	return append(dst, '}')
}

// asString returns a uid in the form of subscriptions' messages.
func asString(uid string) string {
	if uid == "" || strings.HasPrefix(uid, `"`) {
		return uid
	}
	return `"` + uid + `"`
}

// problem makes the message of an error.
func problem(kind string, e *httperr.Error, uid string) []byte {
	_, code := wire(e)
	dst := append([]byte(`{"type":"`), kind...)
	dst = append(append(dst, `","status":"error","error":{"code":"`...), code...)
	dst = gjson.AppendJSONString(append(dst, `","message":`...), e.Message)
	return appendUID(append(dst, '}'), uid)
}
