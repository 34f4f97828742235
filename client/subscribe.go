package client

import (
	"context"
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
	ID   string // the last id that the server told
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

// maxFrame bounds a frame: MAX_EVENT can be raised, but hardly to this.
const maxFrame = 16 << 20

// Subscribe follows the stream and calls f for each frame that has data, init and pings too, until f
// fails, ctx ends, the range that was asked for is over (then it returns nil), or the gateway answers that no
// repeat can help (*StatusError).
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

// subscription is what lasts over attempts.
type subscription struct {
	client  *Client
	last    string
	retry   time.Duration // what the server told last; 0: nothing yet
	handle  func(Event) error
	stopped error
	events  int  // received of History.Limit
	over    bool // the range is
}

// delay obeys the server's own words first: Retry-After, retry; then it backs off.
func (s *subscription) delay(failures int, status *StatusError) time.Duration {
	switch {
	case status != nil && status.RetryAfter > 0:
		return status.RetryAfter + rand.N(status.RetryAfter/2+1)
	case s.retry > 0 && failures == 0:
		return s.retry + rand.N(s.retry/5+1)
	}
	return max(backoff(failures), s.retry)
}

// attempt is one connection; received says whether anything came.
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
			return // a block without data is no event
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

// count counts events to the limit: a connection after a cut asks for what is left of it.
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

// validate closes the body of what is no stream: r3labs/sse would leave it open.
func validate(_ *sse.Client, r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return statusError(r)
	}
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		r.Body.Close()
		return &StatusError{Status: http.StatusBadRequest, Code: "no_stream", Message: fmt.Sprintf("this is no event stream but %q; is the address a gateway's?", kind)}
	}
	r.Body = &wholeFrames{body: r.Body}
	return nil
}
