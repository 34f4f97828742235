package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options say who subscribes, and to what.
type Options struct {
	Credential  string   // API key or JWT; "" sends none
	Channels    []string // patterns; none is all that the credential may see
	LastEventID string   // where to resume; "" begins now
	History     History  // what of the past, and until when
	HTTP        *http.Client
	// Notify is told of each cut, with its cause and the time until the next attempt.
	Notify func(cause error, delay time.Duration)
}

// History is the part of the log that is asked for; see docs/streams.md. The zero value is the present.
type History struct {
	Stream      string
	From, After string // at most one of them
	To, Until   string // at most one of them
	Types       []string
	Limit       int
}

// Client speaks to one gateway.
type Client struct {
	url     string
	options Options
}

// New makes a client of a gateway's address: host:port, a base URL or the URL of the door itself.
func New(address string, o Options) (*Client, error) {
	u, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/realtime"
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	if o.Notify == nil {
		o.Notify = func(error, time.Duration) {}
	}
	return &Client{url: u.String(), options: o}, nil
}

// ParseAddress reads the address of a gateway: host:port or a URL.
func ParseAddress(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address must be host:port or a URL, as http://127.0.0.1:8080")
	}
	return u, nil
}

// authorize sets the header that carries a credential: a token has exactly two dots.
func (c *Client) authorize(set func(name, value string)) {
	switch v := c.options.Credential; {
	case v == "":
	case strings.Count(v, ".") == 2:
		set("Authorization", "Bearer "+v)
	default:
		set("x-apikey", v)
	}
}

// StatusError is an answer other than 200.
type StatusError struct {
	Status     int
	Code       string
	Message    string
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the gateway answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s (%d %s)", e.Message, e.Status, e.Code)
}

// Final says that no repeat can help: the request, the credential or the settings must change.
func (e *StatusError) Final() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return e.Status < http.StatusInternalServerError
}

// statusError reads an answer that is no 200, and closes it.
func statusError(r *http.Response) *StatusError {
	defer r.Body.Close()
	e := &StatusError{Status: r.StatusCode}
	if seconds, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	var body struct{ Message, Code string }
	if err == nil && json.Unmarshal(text, &body) == nil {
		e.Message, e.Code = body.Message, body.Code
	}
	return e
}

// Bounds of the delay between attempts where the server said nothing.
const (
	leastDelay = 500 * time.Millisecond
	mostDelay  = 30 * time.Second
)

// backoff is the delay before attempt n after failures in a row, spread so that clients that were cut
// together do not come back together.
func backoff(n int) time.Duration {
	d := min(leastDelay<<min(n, 10), mostDelay)
	return d/2 + rand.N(d/2+1)
}
