package client

import (
	"context"
	"encoding/json"
	"fmt"
)

// NewEvent is an event to publish.
type NewEvent struct {
	Event      string `json:"event"` // its name: post, put, patch, delete, or any other
	Collection string `json:"collection,omitempty"`
	Stream     string `json:"stream,omitempty"`
	Data       any    `json:"data"`             // anything that encoding/json can write
	Expect     string `json:"expect,omitempty"` // the last id that Stream must have; "0": the stream must not exist
	Except     string `json:"except,omitempty"` // the connection that does not get the event: see Event.Connection
}

// PublishOption changes what Publish sends.
type PublishOption func(*publishing)

type publishing struct {
	NewEvent
	key string
}

// Collection says what the event is about. Method events need it.
func Collection(name string) PublishOption {
	return func(p *publishing) { p.Collection = name }
}

// Stream makes the event an entry of a stream, too.
func Stream(name string) PublishOption {
	return func(p *publishing) { p.Stream = name }
}

// Expect publishes only if the last id of the event's stream is this one; "0" stands for a stream that does not exist. If it
// is another, the error is a *StatusError with the code expect_failed.
func Expect(id string) PublishOption {
	return func(p *publishing) { p.Expect = id }
}

// Except leaves out one connection: see Event.Connection.
func Except(connection string) PublishOption {
	return func(p *publishing) { p.Except = connection }
}

// IdempotencyKey is for a program that may be killed and then publishes the same event again: within two minutes, the gateway
// stores it once. Without it, Publish makes a key for its own repeats.
func IdempotencyKey(key string) PublishOption {
	return func(p *publishing) { p.key = key }
}

// Publish publishes one event with a value as its data, and returns its id. After temporary errors it repeats the request
// with the same Idempotency-Key, so that the gateway stores nothing twice even if an answer is lost.
func (c *Client) Publish(ctx context.Context, name string, data any, options ...PublishOption) (id string, err error) {
	p := publishing{NewEvent: NewEvent{Event: name, Data: data}}
	for _, o := range options {
		o(&p)
	}
	body, err := json.Marshal(p.NewEvent)
	if err != nil {
		return "", fmt.Errorf("writing the event %s as JSON: %w", name, err)
	}
	ids, err := c.PublishJSON(ctx, body, p.key)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// PublishAll publishes several events, 1,000 at most, and returns their ids. The gateway stores all of them, one directly after
// the other, or none. For an empty key, it makes one; it repeats the request as Publish does.
func (c *Client) PublishAll(ctx context.Context, events []NewEvent, key string) (ids []string, err error) {
	body, err := json.Marshal(events)
	if err != nil {
		return nil, fmt.Errorf("writing the events as JSON: %w", err)
	}
	return c.PublishJSON(ctx, body, key)
}
