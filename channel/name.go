package channel

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxName is the longest event name, collection or stream, in bytes.
const MaxName = 128

// reserved has the names of the gateway's own frames. A client could take an event with such a name for one of them. All
// names that begin with $ are reserved too, for spaces and the gateway's own events.
var reserved = map[string]bool{
	"ping": true, "init": true, "gap": true, "live": true, "end": true, "expired": true,
	"busy": true, "publish": true, "retract": true, "error": true, "open": true, "message": true, "close": true,
}

// CheckName returns an error for an invalid name of an event, collection or stream.
func CheckName(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > MaxName:
		return fmt.Errorf("is longer than %d bytes", MaxName)
	case strings.TrimSpace(s) != s:
		return errors.New("begins or ends with white space")
	case strings.ContainsAny(s, ":*,"):
		return errors.New("contains one of : * ,")
	}
	return checkText(s)
}

// checkText refuses characters that could break a line of a frame or of the log.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("is not valid UTF-8")
	}
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 {
			return fmt.Errorf("contains the control character U+%04X", r)
		}
	}
	return nil
}

// CheckEvent is CheckName for the name of an event. It also refuses reserved names.
func CheckEvent(s string) error {
	if err := CheckName(s); err != nil {
		return err
	}
	if reserved[s] || s[0] == '$' {
		return errors.New("is reserved")
	}
	return nil
}

// Method returns the left side of a method event's channel (POST, PUT or DELETE) and true. For a custom event it returns
// "" and false.
func Method(name string) (string, bool) {
	if len(name) < 3 || len(name) > 6 {
		return "", false
	}
	// Only ASCII is a method. EqualFold folds all of Unicode, so "poſt" would be equal to "post".
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return "", false
		}
	}
	switch {
	case strings.EqualFold(name, "post"):
		return "POST", true
	case strings.EqualFold(name, "put"), strings.EqualFold(name, "patch"):
		return "PUT", true
	case strings.EqualFold(name, "delete"):
		return "DELETE", true
	}
	return "", false
}

// Event returns the name under which an event is delivered, and whether it is a method event. Those are delivered as post,
// put and delete, whatever their case; put also stands for patch.
func Event(name string) (string, bool) {
	m, ok := Method(name)
	if !ok {
		return name, false
	}
	switch m {
	case "POST":
		return "post", true
	case "PUT":
		return "put", true
	}
	return "delete", true
}

// Channel is the channel of an event: its space ("" is /realtime), its left side (METHOD or custom name) and its
// collection, which may be empty.
type Channel struct{ Space, Left, Collection string }

// Of returns the channel of an event.
func Of(space, event, collection string) Channel {
	if m, ok := Method(event); ok {
		event = m
	}
	return Channel{Space: space, Left: event, Collection: collection}
}

// String returns the channel as text, as in permissions.
func (c Channel) String() string {
	s := c.Left
	if c.Collection != "" {
		s += ":" + c.Collection
	}
	if c.Space != "" {
		return c.Space + ":" + s
	}
	return s
}
