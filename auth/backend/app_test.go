package backend

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/auth/grant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// app is an application behind AUTH_URL without a network, for tests in a bubble.
type app struct {
	mu        sync.Mutex
	status    int
	body      string
	takes     time.Duration // for an answer
	err       error         // in place of an answer
	questions int
	now, most int // at the same time
}

func (a *app) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.questions++
	a.now++
	a.most = max(a.most, a.now)
	takes := a.takes
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.now--
		a.mu.Unlock()
	}()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return nil, a.err
	}
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// says sets the answers from now on.
func (a *app) says(status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.body, a.err = status, body, nil
}

// dies sets that there is no answer from now on.
func (a *app) dies() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = fmt.Errorf("connection refused")
}

func (a *app) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.questions
}

const ann = `{"subject":"42","name":"Ann","sub":["a","b"],"pub":["c"],"rest":["GET:d"],"ttl":"1m"}`

// options are those of a Backend with short names.
func options(change ...func(*Options)) Options {
	o := Options{
		URL: "http://127.0.0.1:1/auth", Forward: []string{"Cookie", "Authorization"}, Timeout: 3 * time.Second, Grace: time.Minute, Concurrency: 64,
		Logger: slog.New(slog.DiscardHandler), Make: func(a *Answer) any { return a.Name },
		Stale: func(string, time.Time) time.Duration { return 0 },
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

// open opens a Backend for an application without a network.
func open(t testing.TB, a *app, change ...func(*Options)) *Backend {
	t.Helper()
	b := New(options(append([]func(*Options){func(o *Options) { o.Transport = a }}, change...)...))
	t.Cleanup(b.Close)
	return b
}

// free charges nothing.
type free struct{}

func (free) Wait(Key) time.Duration { return 0 }
func (free) Refused(Key)            {}
func (free) Granted(Key)            {}

// of is the question of a session.
func of(session string) *Question {
	return &Question{Header: http.Header{"Cookie": {"session=" + session}}, From: "192.0.2.1", Method: "GET", Path: "/realtime", Host: "live.example", Proto: "https"}
}

// outcome is what a request gets: who it is, or the error.
func (b *Backend) outcome(q *Question) (*Answer, string) {
	a, err := b.Ask(context.Background(), q, free{})
	if err != nil {
		return nil, err.Error()
	}
	return a, a.Subject
}

// is checks what a request gets.
func (b *Backend) is(t testing.TB, session, want string) *Answer {
	t.Helper()
	a, got := b.outcome(of(session))
	if got != want {
		t.Fatalf("%s gets %q, want %q", session, got, want)
	}
	return a
}

// watched is a stream, as the writers have it.
type watched struct {
	answer *Answer
	mu     sync.Mutex
	why    grant.End
	at     time.Time
}

func watch(a *Answer) *watched {
	w := &watched{answer: a}
	a.Hold()
	a.Life.OnEnd(func(why grant.End) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.why, w.at = why, time.Now()
	})
	return w
}

func (w *watched) ended() (grant.End, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why, w.at
}
