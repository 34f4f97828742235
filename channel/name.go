package channel

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxName is the longest event name, collection or stream, in bytes.
const MaxName = 128

// reserved names belong to the gateway's own frames: an event that carried one could pass for
// them. Whatever begins with $ is reserved too (spaces, inner events).
var reserved = map[string]bool{
	"ping": true, "init": true, "gap": true, "live": true, "end": true, "expired": true,
	"busy": true, "publish": true, "error": true, "open": true, "message": true, "close": true,
}

// CheckName says what is wrong with an event name, collection or stream.
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

// checkText refuses what could break a frame line or a log line.
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

// CheckEvent is CheckName for the name of an event, which must not be a reserved one either.
func CheckEvent(s string) error {
	if err := CheckName(s); err != nil {
		return err
	}
	if reserved[s] || s[0] == '$' {
		return errors.New("is reserved")
	}
	return nil
}

// Method returns the left side of the channel of a method event (POST, PUT, DELETE) and true,
// or "" and false where name is that of a custom event.
func Method(name string) (string, bool) {
	if len(name) < 3 || len(name) > 6 {
		return "", false
	}
	// EqualFold folds all of Unicode, by which "poſt" would be a post: only ASCII spells a method.
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

// Event returns the name under which an event is delivered (post, put, delete for the methods
// in any spelling, else the name itself) and whether it is a method event.
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

// Channel is one event's place in permissions: its space ("" is /realtime), its left side
// (METHOD or custom name) and its collection, which may be empty.
type Channel struct{ Space, Left, Collection string }

// Of is the channel of an event.
func Of(space, event, collection string) Channel {
	if m, ok := Method(event); ok {
		event = m
	}
	return Channel{Space: space, Left: event, Collection: collection}
}

// String is how permissions spell the channel.
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
