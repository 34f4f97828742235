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

// Options has the credential and what to subscribe to.
type Options struct {
	Credential  string   // API key or JWT; "" sends none
	Channels    []string // patterns; if empty, all that the credential may subscribe to
	LastEventID string   // where to resume; "" begins now
	History     History  // the part of the past to read
	HTTP        *http.Client
	// Notify is called after each failed attempt, with its cause and the time until the next attempt.
	Notify func(cause error, delay time.Duration)
}

// History is the part of the log to read; see docs/streams.md. The zero value is the present.
type History struct {
	Stream      string
	From, After string // at most one of them
	To, Until   string // at most one of them
	Types       []string
	Limit       int
}

// Client is a client of one gateway.
type Client struct {
	url     string
	options Options
}

// New makes a client of the gateway at an address: host:port, a base URL, or the URL of /realtime.
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
		return nil, errors.New("the address must be host:port or a URL, such as http://127.0.0.1:8080")
	}
	return u, nil
}

// authorize sets the header for the credential. A text with exactly two dots is a token.
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

// Final reports whether every repeat would fail too: the request, the credential or the settings must change first.
func (e *StatusError) Final() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return e.Status < http.StatusInternalServerError
}

// statusError reads an answer other than 200, and closes its body.
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

// The shortest and the longest delay between attempts, if the server gives none.
const (
	minDelay = 500 * time.Millisecond
	maxDelay = 30 * time.Second
)

// backoff returns the delay before the next attempt after n failures in a row. It is random, so that clients that lost
// their connections together do not come back together.
func backoff(n int) time.Duration {
	d := min(minDelay<<min(n, 10), maxDelay)
	return d/2 + rand.N(d/2+1)
}
