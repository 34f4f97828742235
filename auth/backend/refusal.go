package backend

import (
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"sluice/auth/object"
)

// Refused is the error of a question that the application answered with 401 or 403.
type Refused struct {
	Status  int
	Message string // the application's, or one of ours
}

func (e *Refused) Error() string { return e.Message }

// Limited is the error of a question that was not asked, because its address had too many refusals.
type Limited struct{ Wait time.Duration }

func (e *Limited) Error() string { return "too many refusals" }

// ErrTrouble is the error of a question that has no answer now. The log has the cause.
var ErrTrouble = errors.New("the application has not answered")

// ErrTooLarge is the error of a question that is too large to be asked.
var ErrTooLarge = errors.New("more than 16 KiB would be sent to the application")

// maxMessage is the most characters of a message that passes through.
const maxMessage = 200

// refusal reads a refusal. The message passes through if it is plain text or a field of JSON. HTML is for browsers that
// show a page, so it never does.
func refusal(answer *http.Response, text []byte) *Refused {
	e := &Refused{Status: answer.StatusCode}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case err != nil:
	case kind == "text/plain":
		e.Message = clean(string(text))
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		e.Message = messageIn(text, true)
	}
	switch {
	case e.Message != "":
	case e.Status == http.StatusForbidden:
		e.Message = "the application does not allow this request"
	default:
		e.Message = "the application does not know who sent this request: sign in there"
	}
	return e
}

// messageIn finds the message in an object: in message, error or detail. An error may be an object with a message.
func messageIn(text []byte, nested bool) string {
	m, err := object.Members(text)
	if err != nil {
		return ""
	}
	for _, name := range []string{"message", "error", "detail"} {
		var s string
		switch v := m[name]; {
		case len(v) == 0:
		case v[0] == '"' && json.Unmarshal(v, &s) == nil:
			if s = clean(s); s != "" {
				return s
			}
		case nested && name == "error" && v[0] == '{':
			if s = messageIn(v, false); s != "" {
				return s
			}
		}
	}
	return ""
}

// clean returns a text on one line, or "" if it may be HTML.
func clean(s string) string {
	if !utf8.ValidString(s) || strings.ContainsAny(s, "<>") {
		return ""
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }), " ")
	if utf8.RuneCountInString(s) > maxMessage {
		s = string([]rune(s)[:maxMessage]) + "…"
	}
	return s
}

// troubleEvery is the least time between two lines of the log about an application that does not answer.
const troubleEvery = 10 * time.Second

// troubles logs why there is no answer, at most once in troubleEvery.
type troubles struct {
	logger *slog.Logger
	mu     sync.Mutex
	next   time.Time
	more   int // since the last line
	down   bool
}

// note logs a question without an answer.
func (t *troubles) note(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Before(t.next) {
		t.more++
		return
	}
	t.down = true // only then: else one that fails now and then would fill the log
	t.logger.Warn("AUTH_URL gives no answer; requests that it decides about get busy", "cause", cause, "more_since_last_line", t.more)
	t.next, t.more = now.Add(troubleEvery), 0
}

// over logs that there are answers again.
func (t *troubles) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down {
		t.down = false
		t.logger.Info("AUTH_URL answers again")
	}
}
