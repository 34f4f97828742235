package openapi_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/jsonschema/v6"
)

// asyncMessage is a message of the document of streams and sockets.
type asyncMessage struct {
	name             string
	headers, payload *jsonschema.Schema // headers is nil where a message has none
	event            string             // the event of its frame; "" if it has any other
	of               string             // who sends it: fromGateway or fromClient
	isText           bool               // the payload is no JSON
}

// Who sends messages, as the actions of operations say it: they are the gateway's.
const (
	fromGateway = "send"
	fromClient  = "receive"
)

// asyncChannel is a channel of the document.
type asyncChannel struct {
	name     string
	messages []*asyncMessage
}

// frames holds frames and messages against docs/asyncapi.yaml, and notes which it has seen.
type frames struct {
	channels map[string]*asyncChannel

	mu   sync.Mutex
	seen map[string]bool // channel/message
}

func newFrames(t *testing.T) *frames {
	t.Helper()
	text := served(t, "asyncapi")
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // the default of AsyncAPI
	c.AssertFormat()
	if err := c.AddResource("asyncapi.json", resource); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Channels   map[string]struct{ Messages map[string]struct{} }
		Operations map[string]struct {
			Action   string
			Channel  reference
			Messages []reference
		}
		Components struct {
			Messages map[string]struct {
				ContentType string
				Headers     *struct {
					Properties struct{ Event struct{ Const string } }
				}
			}
			Schemas map[string]struct{ Examples []json.RawMessage }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	compile := func(path string) *jsonschema.Schema {
		s, err := c.Compile("asyncapi.json#/components/" + path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	senders := map[string]string{} // by channel/message, for channels with messages in both directions
	for _, o := range doc.Operations {
		for _, m := range o.Messages {
			senders[o.Channel.name()+"/"+m.name()] = o.Action
		}
	}
	f := &frames{channels: map[string]*asyncChannel{}, seen: map[string]bool{}}
	for name, channel := range doc.Channels {
		one := &asyncChannel{name: name}
		for m := range channel.Messages {
			of := doc.Components.Messages[m]
			message := &asyncMessage{name: m, payload: compile("messages/" + m + "/payload"), isText: of.ContentType == "text/plain"}
			message.of = cmp.Or(senders[name+"/"+m], fromGateway)
			if of.Headers != nil {
				message.headers, message.event = compile("messages/"+m+"/headers"), of.Headers.Properties.Event.Const
			}
			one.messages = append(one.messages, message)
		}
		slices.SortFunc(one.messages, func(a, b *asyncMessage) int { return strings.Compare(a.name, b.name) })
		f.channels[name] = one
	}
	for name, schema := range doc.Components.Schemas {
		s := compile("schemas/" + name)
		for _, example := range schema.Examples {
			if err := s.Validate(parsed(t, example)); err != nil {
				t.Errorf("an example of %s in docs/asyncapi.yaml is wrong: %v", name, err)
			}
		}
	}
	return f
}

// reference is a reference of the document to one of its parts.
type reference struct {
	Ref string `json:"$ref"`
}

func (r reference) name() string { return r.Ref[strings.LastIndex(r.Ref, "/")+1:] }

func parsed(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// frame holds a frame of a stream against the messages of its channel: those for its event, else those for any event.
func (f *frames) frame(t *testing.T, channel, frame string) {
	t.Helper()
	headers, data := map[string]any{}, []string(nil)
	for line := range strings.SplitSeq(frame, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" || line[0] == ':':
		case name == "data" || name == "data:":
			data = append(data, value)
		case name == "retry":
			headers[name] = json.Number(value)
		default:
			headers[name] = value
		}
	}
	if data == nil { // a comment, or retry alone
		return
	}
	event, _ := headers["event"].(string)
	named := func(m *asyncMessage) bool { return m.event == event && event != "" }
	other := !slices.ContainsFunc(f.channels[channel].messages, named)
	f.match(t, channel, frame, func(m *asyncMessage) error {
		if m.headers == nil || other && m.event != "" || !other && !named(m) {
			return errOther
		}
		if err := m.headers.Validate(headers); err != nil {
			return err
		}
		text := strings.Join(data, "\n")
		if m.isText {
			return m.payload.Validate(text)
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return m.payload.Validate(v)
	})
}

// message holds a message of a socket, or a line, against the messages of its channel from the same side.
func (f *frames) message(t *testing.T, channel, from, text string) {
	t.Helper()
	v := parsed(t, []byte(text))
	f.match(t, channel, text, func(m *asyncMessage) error {
		if m.of != from {
			return errOther
		}
		return m.payload.Validate(v)
	})
}

var errOther = errors.New("it is of another event, or from the other side")

func (f *frames) match(t *testing.T, channel, what string, matches func(m *asyncMessage) error) {
	t.Helper()
	var faults []string
	for _, m := range f.channels[channel].messages {
		err := matches(m)
		if err == nil {
			f.mu.Lock()
			f.seen[channel+"/"+m.name] = true
			f.mu.Unlock()
			return
		}
		if err != errOther {
			faults = append(faults, fmt.Sprintf("%s: %v", m.name, err))
		}
	}
	t.Errorf("docs/asyncapi.yaml has no message of the channel %s for %s\n%s", channel, what, strings.Join(faults, "\n"))
}
