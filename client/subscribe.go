package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/r3labs/sse/v2"
	backoffv1 "gopkg.in/cenkalti/backoff.v1"
)

// Event is one frame.
type Event struct {
	ID   string // the last id from the server
	Name string // of the event, or one of those below
	Data string
}

// Names of the frames that are not events, but what the gateway says of the stream. No event can have one of them.
const (
	Init    = ""        // the stream begins
	Ping    = "ping"    // the connection is alive
	Gap     = "gap"     // events are missing here
	Live    = "live"    // the past is over
	End     = "end"     // the range is over
	Expired = "expired" // the credential has ended
	Busy    = "busy"    // the gateway cannot serve now
)

// Published reports whether the frame is an event that somebody published.
func (e *Event) Published() bool {
	switch e.Name {
	case Init, Ping, Gap, Live, End, Expired, Busy:
		return false
	}
	return true
}

// Retract is the name of the event that reports the removal of another one. Its data has the id of that. Nobody can publish
// an event of this name.
const Retract = "retract"

// Connection returns the name of the connection that begins with an Init frame, or "". An event with "except": NAME does not
// go to it. Each reconnect begins with another Init.
func (e *Event) Connection() string {
	var init struct{ Connection string }
	if e.Name != Init || json.Unmarshal([]byte(e.Data), &init) != nil {
		return ""
	}
	return init.Connection
}

// maxFrame is the largest frame, in bytes. It is far above MAX_EVENT.
const maxFrame = 16 << 20

// Subscribe follows the stream and calls f for each frame with data, including init and pings. It ends when f returns an
// error, when ctx ends, at the end of the range in History (with nil), or at an answer that is final (with a *StatusError).
func (c *Client) Subscribe(ctx context.Context, f func(Event) error) error {
	s := &subscription{client: c, last: c.options.LastEventID, handle: f}
	for failures := 0; ; failures++ {
		received, err := s.attempt(ctx)
		var status *StatusError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case s.over || errors.As(err, &status) && status.Status == http.StatusNoContent:
			return nil
		case s.stopped != nil:
			return s.stopped
		case errors.As(err, &status) && status.Final():
			return err
		case err == nil:
			err = errors.New("the gateway ended the stream")
		}
		if received {
			failures = 0
		}
		delay := s.delay(failures, status)
		c.options.Notify(err, delay)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
	}
}

// subscription is the state of Subscribe, over all attempts.
type subscription struct {
	client  *Client
	last    string        // the id to resume after
	retry   time.Duration // the last retry in the stream; 0 before the first
	handle  func(Event) error
	stopped error
	events  int  // received so far, for History.Limit
	over    bool // the range has ended
}

// delay returns the time until the next attempt. It takes what the server gave (Retry-After or retry) first, and
// otherwise the backoff.
func (s *subscription) delay(failures int, status *StatusError) time.Duration {
	switch {
	case status != nil && status.RetryAfter > 0:
		return status.RetryAfter + rand.N(status.RetryAfter/2+1)
	case s.retry > 0 && failures == 0:
		return s.retry + rand.N(s.retry/5+1)
	}
	return max(backoff(failures), s.retry)
}

// attempt makes one connection and reads it to its end; received means that a frame came.
func (s *subscription) attempt(ctx context.Context) (received bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reader := sse.NewClient(s.address(), sse.ClientMaxBufferSize(maxFrame))
	reader.ReconnectStrategy = &backoffv1.StopBackOff{}
	reader.Connection = s.client.options.HTTP
	reader.ResponseValidator = validate
	s.client.authorize(func(name, value string) { reader.Headers[name] = value })
	if s.last != "" {
		reader.LastEventID.Store([]byte(s.last))
	}
	err = reader.SubscribeRawWithContext(ctx, func(e *sse.Event) {
		if s.stopped != nil || s.over {
			return
		}
		received = true
		if ms, err := strconv.ParseUint(string(e.Retry), 10, 31); err == nil {
			s.retry = time.Duration(ms) * time.Millisecond
		}
		if e.Data == nil {
			return // a frame without data is no event
		}
		event := Event{ID: string(e.ID), Name: string(e.Event), Data: string(e.Data)}
		if s.stopped = s.handle(event); s.stopped != nil {
			cancel()
			return
		}
		s.last = event.ID
		s.count(&event)
		if s.over {
			cancel()
		}
	})
	return received, err
}

// count counts events, because the next connection must ask only for the rest of the limit.
func (s *subscription) count(e *Event) {
	switch {
	case e.Name == End:
		s.over = true
	case e.Published():
		s.events++
		s.over = s.events == s.client.options.History.Limit
	}
}

func (s *subscription) address() string {
	u, err := url.Parse(s.client.url)
	if err != nil {
		return s.client.url // New has parsed it already
	}
	o := &s.client.options
	q := u.Query()
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("channels", strings.Join(o.Channels, ","))
	set("stream", o.History.Stream)
	set("from", o.History.From)
	set("after", o.History.After)
	set("to", o.History.To)
	set("until", o.History.Until)
	set("types", strings.Join(o.History.Types, ","))
	if o.History.Limit > 0 {
		set("limit", strconv.Itoa(max(1, o.History.Limit-s.events)))
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// validate refuses an answer that is no stream. It closes the body, which r3labs/sse would leave open.
func validate(_ *sse.Client, r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return statusError(r)
	}
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		r.Body.Close()
		return &StatusError{Status: http.StatusBadRequest, Code: "no_stream", Message: fmt.Sprintf("the answer is not an event stream but %q; is this the address of a gateway?", kind)}
	}
	r.Body = &wholeFrames{body: r.Body}
	return nil
}
