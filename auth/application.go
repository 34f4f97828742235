package auth

import (
	"cmp"
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"sluice/auth/backend"
	"sluice/auth/grant"
)

// openBackend lets the application decide about requests without a credential of ours.
func (a *Authenticator) openBackend(o Options) {
	if o.Backend.URL == "" {
		return
	}
	limiters := newLimiters(o.PublishRate)
	b := o.Backend
	b.Logger = o.Logger
	b.Stale = func(subject string, asked time.Time) time.Duration {
		return a.revoked.until(subject, asked.Unix(), a.now())
	}
	b.Make = func(answer *backend.Answer) any { return a.identityOf(answer, limiters) }
	a.backend = backend.New(b)
}

// identityOf makes the identity of an answer. It has no end of its own: its life ends with the application's last answer.
func (a *Authenticator) identityOf(answer *backend.Answer, ls *limiters) *Identity {
	scope := "app\x00" + answer.Subject
	return &Identity{
		Name: cmp.Or(answer.Name, answer.Subject), Kind: "app", Scope: scope, Sub: answer.Sub, Pub: answer.Pub, Rest: answer.Rest,
		lives: []*grant.Life{answer.Life}, limiters: []*limiter{ls.of(scope, answer.Asked)}, answer: answer,
		bearers: []*bearer{{in: a.revoked, subject: answer.Subject, issued: answer.Asked.Unix()}},
	}
}

// until returns how long it takes until a question can have an answer that no revocation of its subject names. Revocations
// know only seconds, so an answer to a question of the same second may be older.
func (r *revoked) until(subject string, asked int64, now time.Time) time.Duration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	second, all := r.subjects[subject]
	switch {
	case !all || asked > second:
		return 0
	case second > now.Unix()+60:
		return math.MaxInt64
	}
	return max(1, time.Unix(second+1, 0).Sub(now))
}

// Anonymous reports whether a request has nothing that could tell who sent it: no credential, and no header for the
// application.
func (a *Authenticator) Anonymous(c Carriers) bool {
	return c.Empty() && (a.backend == nil || c.Request == nil || !a.backend.Carries(c.Request.Header))
}

// Decides reports whether the application decides about requests without a credential of ours.
func (a *Authenticator) Decides() bool { return a.backend != nil }

// BackendStats returns the counts of questions to the application, for metrics.
func (a *Authenticator) BackendStats() (s backend.Stats) {
	if a.backend != nil {
		s = a.backend.Stats()
	}
	return s
}

// question returns what the application is asked about a request, if no credential of ours turns up. It returns nil if
// there is no application to ask, or a credential came in a way that only ours do.
func (a *Authenticator) question(c Carriers) *backend.Question {
	r := c.Request
	if a.backend == nil || r == nil {
		return nil
	}
	alone := [][]string{c.Header, c.QueryKey, c.QueryToken}
	if !a.backend.Forwards("Authorization") {
		alone = append(alone, c.Bearer)
	}
	if !a.backend.Forwards("Cookie") {
		alone = append(alone, c.Cookie)
	}
	for _, values := range alone {
		if strings.Join(values, "") != "" {
			return nil
		}
	}
	q := &backend.Question{Header: r.Header, From: c.From, Method: r.Method, Path: "/", Host: r.Host, Proto: "http"}
	if r.URL != nil {
		q.Path = r.URL.EscapedPath()
	}
	if proto, host, ok := strings.Cut(a.pages.proxies.Origin(r), "://"); ok {
		q.Proto, q.Host = proto, host
	}
	return q
}

// decide returns the identity of a request that the application may know: by our credentials if any of them is ours,
// otherwise by the application.
func (a *Authenticator) decide(ctx context.Context, c Carriers, sent distinct, q *backend.Question) (*Identity, *Error) {
	values := sent.values
	if sent.byCookie {
		if err := a.pages.check(&c); err != nil { // before a look at the value, as in Authenticate
			return nil, err
		}
	}
	if !a.anyOurs(values) {
		if err := a.mayAsk(&c); err != nil {
			return nil, err
		}
		// What is remembered needs no look at what the other gateways of a cluster know.
		if answer := a.backend.Remembered(q); answer != nil {
			if id := answer.Made.(*Identity); id.Ended() == "" {
				return id, nil
			}
			answer.Forget()
		}
	}
	all, foreign := make([]looked, len(values)), 0
	for i, v := range values {
		if all[i] = a.look(ctx, v); a.foreign(c.From, all[i]) {
			foreign++
		}
	}
	if foreign == len(values) {
		if err := a.mayAsk(&c); err != nil {
			return nil, err
		}
		return a.ask(ctx, q, foreign > 0)
	}
	ids := make([]*Identity, 0, 2)
	for _, l := range all {
		id, err := a.admit(c.From, l)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return join(ids), nil
}

// mayAsk refuses a change whose answer may come from a cookie, unless a page sent it that may make changes: see pages. It is
// refused before it is asked about, so that hostile pages neither learn anything nor use up tries.
func (a *Authenticator) mayAsk(c *Carriers) *Error {
	if len(c.Request.Header["Cookie"]) == 0 || !a.backend.Forwards("Cookie") {
		return nil
	}
	return a.pages.check(c)
}

// anyOurs reports whether this gateway knows any of the credentials as ours.
func (a *Authenticator) anyOurs(values []string) bool {
	for _, v := range values {
		if a.keys.find(v) != nil {
			return true
		}
		if _, err := a.token(v); err == nil || !err.foreign() {
			return true
		}
	}
	return false
}

// foreign reports whether a credential is none of ours. A key that a person may have made up counts as foreign while the
// application accepts too many unknown credentials from the address: it may accept any, so that guesses cost no tries.
func (a *Authenticator) foreign(from string, l looked) bool {
	if l.key != nil {
		return !l.key.strong && a.accepted.Right(from, l.key.hash) > 0
	}
	return l.err != nil && l.err.foreign()
}

// ask returns what the application decides.
func (a *Authenticator) ask(ctx context.Context, q *backend.Question, guess bool) (*Identity, *Error) {
	for range 2 {
		answer, err := a.backend.Ask(ctx, q, questionTries{a, strings.Clone(q.From), guess})
		if err != nil {
			return nil, askError(err)
		}
		id := answer.Made.(*Identity)
		if id.Ended() == "" {
			return id, nil
		}
		answer.Forget()
	}
	return nil, errNoAnswer
}

// askError is why the application gave no identity.
func askError(err error) *Error {
	var refused *backend.Refused
	var limited *backend.Limited
	switch {
	case errors.As(err, &refused):
		return &Error{Status: refused.Status, Code: ApplicationRefused, Message: refused.Message}
	case errors.As(err, &limited):
		return tooManyTries(limited.Wait)
	case errors.Is(err, backend.ErrTooLarge):
		return errQuestionSize
	}
	return errNoAnswer
}

// questionTries charges the refusals of the application to the client's address, as wrong keys are. A session that was
// right from there before is asked about even if the address has no tries left.
type questionTries struct {
	a     *Authenticator
	from  string
	guess bool // the request has a credential, which is none of ours
}

// Wait returns how long the address must wait.
func (t questionTries) Wait(session backend.Key) time.Duration {
	return t.a.guesses.Wait(t.from, session)
}

// Granted notes a session that is right.
func (t questionTries) Granted(session backend.Key) {
	t.a.guesses.Note(t.from, session)
	if t.guess {
		t.a.accepted.Wrong(t.from)
	}
}

// Refused charges one that is not.
func (t questionTries) Refused(session backend.Key) {
	t.a.guesses.Forget(t.from, session)
	t.a.guesses.Wrong(t.from)
}
