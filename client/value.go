package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
)

// Value is an event whose data is a T.
type Value[T any] struct {
	ID         string
	Time       time.Time // of the log, when it stored the event
	Name       string
	Collection string // "" where the event is about none
	Stream     string // "" where the event is no entry of a stream
	Data       T

	// Retracted is the id of the event that this one takes out of the log: see Client.Retract. Then Data is the zero value.
	Retracted string
}

// Channel returns the channel of the event: METHOD:collection, name or name:collection.
func (v *Value[T]) Channel() string {
	name := v.Name
	switch {
	case v.Collection == "":
		return name
	case name == "post", name == "put", name == "patch", name == "delete":
		name = strings.ToUpper(name)
	}
	return name + ":" + v.Collection
}

// DecodeError is an event whose data is not what was expected. The stream is as it was: the next event may be read.
type DecodeError struct {
	Event Event
	Cause error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("the data of the event %s (%s) cannot be decoded: %v", e.Event.ID, e.Event.Name, e.Cause)
}

func (e *DecodeError) Unwrap() error { return e.Cause }

// GapError reports that events are missing here. The stream continues after it.
type GapError struct {
	Reason string // such as "expired"; docs/protocol.md has all
	After  string // the id after which events are missing, if the gateway knows it
	Oldest string // the oldest id that the log has
}

func (e *GapError) Error() string {
	return fmt.Sprintf("events are missing (%s): read the state that they led to anew", e.Reason)
}

// Gap returns what a frame of the name Gap says.
func (e *Event) Gap() (*GapError, bool) {
	var frame struct{ Data GapError }
	if e.Name != Gap || json.Unmarshal([]byte(e.Data), &frame) != nil {
		return nil, false
	}
	return &frame.Data, true
}

// Decode decodes an event. The error is a *DecodeError. A frame that nobody has published is no event: see Event.Published.
func Decode[T any](e Event) (v Value[T], err error) {
	fail := func(cause error) (Value[T], error) { return v, &DecodeError{Event: e, Cause: cause} }
	if !e.Published() {
		return fail(errors.New("it is what the gateway says of the stream, and no event"))
	}
	var envelope struct {
		Event, Collection, Stream string
		Data                      json.RawMessage
	}
	id, err := strconv.ParseInt(e.ID, 10, 64)
	if err != nil {
		return fail(fmt.Errorf("its id is not of a gateway: %w", err))
	}
	if err := json.Unmarshal([]byte(e.Data), &envelope); err != nil {
		return fail(err)
	}
	v = Value[T]{ID: e.ID, Time: time.UnixMicro(id).UTC(), Name: envelope.Event, Collection: envelope.Collection, Stream: envelope.Stream}
	if v.Name == Retract {
		var retraction struct{ ID string }
		if err := json.Unmarshal(envelope.Data, &retraction); err != nil {
			return fail(err)
		}
		v.Retracted = retraction.ID
		return v, nil
	}
	if len(envelope.Data) == 0 {
		return v, nil // it has none
	}
	if err := json.Unmarshal(envelope.Data, &v.Data); err != nil {
		return fail(err)
	}
	return v, nil
}

// errStopped ends Subscribe when the loop over Values has ended.
var errStopped = errors.New("the loop has ended")

// Values subscribes, and returns each event with its data as a T. It reconnects and resumes as Subscribe does; an event counts
// as read when the loop asks for the next one.
//
// After a *DecodeError or a *GapError the loop may go on. Any other error is the last thing that it gets: it is that of
// Subscribe. At the end of the range in History, the loop ends without an error.
func Values[T any](ctx context.Context, c *Client) iter.Seq2[Value[T], error] {
	return func(yield func(Value[T], error) bool) {
		err := c.Subscribe(ctx, func(e Event) error {
			proceed := true
			if gap, ok := e.Gap(); ok {
				proceed = yield(Value[T]{ID: e.ID}, gap)
			} else if e.Published() {
				proceed = yield(Decode[T](e))
			}
			if !proceed {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(Value[T]{}, err)
		}
	}
}
