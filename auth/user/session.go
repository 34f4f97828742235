package user

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

// Bounds of sessions.
const (
	maxSessions = 100                // of a user; the oldest goes
	sessionTTL  = 7 * 24 * time.Hour // without a refresh
	sweepEvery  = time.Hour
	maxSwept    = 1000 // rows of one commit
)

// rowSession is the prefix of the rows of sessions: the user's id, a slash and the session's id follow.
const rowSession = rows.Session

// session is what is kept of one. All but life is guarded by Store.changing.
type session struct {
	id      string
	known   [sha256.Size]byte // hash of what its refresh tokens have in common
	current [sha256.Size]byte // hash of the only one that is good
	expires int64             // the second
	life    *grant.Life       // of its access tokens; nil while nobody has asked for it; guarded by sessions.mu
}

// sessionRow is a session's row.
type sessionRow struct {
	Known   string `json:"known"`
	Current string `json:"current"`
	Expires int64  `json:"expires"`
}

func (one *session) row(user string) (eventlog.Row, error) {
	text, err := json.Marshal(sessionRow{hex.EncodeToString(one.known[:]), hex.EncodeToString(one.current[:]), one.expires})
	return eventlog.Row{Key: rowSession + user + "/" + one.id, Value: text}, err
}

// gone is the row that takes the session away.
func (one *session) gone(user string) eventlog.Row {
	return eventlog.Row{Key: rowSession + user + "/" + one.id}
}

func readSession(id string, value []byte) (*session, error) {
	one := &session{id: id}
	var r sessionRow
	if expires, err := strconv.ParseInt(string(value), 10, 64); err == nil { // of an earlier version, whose id is the hash
		r = sessionRow{id, id, expires}
	} else if err := json.Unmarshal(value, &r); err != nil {
		return nil, fmt.Errorf("the row of a session: %w", err)
	}
	for text, to := range map[*string]*[sha256.Size]byte{&r.Known: &one.known, &r.Current: &one.current} {
		hash, err := hex.DecodeString(*text)
		if err != nil || len(hash) != sha256.Size {
			return nil, errors.New("the row of a session holds no hash")
		}
		*to = [sha256.Size]byte(hash)
	}
	one.expires = r.Expires
	return one, nil
}

// sessions are those of all users, by the user's id, the oldest first. Who changes the lists holds Store.changing and
// mu, so that either is enough to read them. mu is a leaf.
type sessions struct {
	mu    sync.Mutex
	of    map[string][]*session
	swept time.Time
}

func (x *sessions) read(log *eventlog.Log) error {
	x.of = map[string][]*session{}
	err := log.Rows(rowSession, func(row eventlog.Row) error {
		user, id, _ := strings.Cut(strings.TrimPrefix(row.Key, rowSession), "/")
		one, err := readSession(id, row.Value)
		if err == nil {
			x.of[user] = append(x.of[user], one)
		}
		return err
	})
	for _, list := range x.of {
		slices.SortStableFunc(list, func(a, b *session) int { return cmp.Compare(a.expires, b.expires) })
	}
	return err
}

// gone are the rows that take all sessions of a user away.
func (x *sessions) gone(user string) []eventlog.Row {
	rows := make([]eventlog.Row, 0, len(x.of[user])+1)
	for _, one := range x.of[user] {
		rows = append(rows, one.gone(user))
	}
	return rows
}

// forget ends all sessions of a user.
func (x *sessions) forget(user string, why grant.End) { x.end(user, why, x.of[user]...) }

// end takes sessions out of the list and ends what was opened with their access tokens.
func (x *sessions) end(user string, why grant.End, over ...*session) {
	x.mu.Lock()
	list := slices.DeleteFunc(slices.Clone(x.of[user]), func(one *session) bool { return slices.Contains(over, one) })
	if x.of[user] = list; len(list) == 0 {
		delete(x.of, user)
	}
	var lives []*grant.Life
	for _, one := range over {
		if one.life != nil {
			lives = append(lives, one.life)
		}
	}
	x.mu.Unlock()
	for _, l := range lives {
		l.End(why)
	}
}

// newest puts a session at the end of the list, whether it is there or not.
func (x *sessions) newest(user string, one *session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(x.of[user]), func(other *session) bool { return other == one })
	x.of[user] = append(list, one)
}

func (x *sessions) byID(user, id string) *session {
	for _, one := range x.of[user] {
		if one.id == id {
			return one
		}
	}
	return nil
}

// find returns the session of a refresh token, nil where there is none or it has expired, and whether the token was
// used before.
func (x *sessions) find(t *refreshToken, now time.Time) (one *session, used bool) {
	one = x.byID(t.user, t.session)
	if one == nil || one.known != t.known || now.Unix() >= one.expires {
		return nil, false
	}
	return one, one.current != t.whole
}

// Session returns what ends with a session of a user, nil where there is no such session.
func (s *Store) Session(user, id string) *grant.Life {
	x := &s.sessions
	x.mu.Lock()
	defer x.mu.Unlock()
	one := x.byID(user, id)
	if one == nil {
		return nil
	}
	if one.life == nil {
		one.life = grant.NewLife()
	}
	return one.life
}

// Login finds the user who signs in from an address, and gives a refresh token: ErrBadLogin where email and password are
// none's, passwords.ErrBusy where too many try, a passwords.TriesError where too many were wrong.
func (s *Store) Login(ctx context.Context, from, email, password string) (*User, string, error) {
	return s.signedIn(ctx, func(ctx context.Context) (*User, string, error) { return s.login(ctx, from, email, password) })
}

// signedIn runs what makes a refresh token.
func (s *Store) signedIn(ctx context.Context, f func(context.Context) (*User, string, error)) (*User, string, error) {
	type made struct {
		user  *User
		token string
	}
	m, err := eventlog.Change(ctx, s.log, func(ctx context.Context) (m made, err error) {
		m.user, m.token, err = f(ctx)
		return m, err
	})
	return m.user, m.token, err
}

func (s *Store) login(ctx context.Context, from, email, password string) (*User, string, error) {
	email = normal(email)
	hash := ""
	if u := s.find(email); u != nil && u.Active { // else the right password would not be charged, and that would tell
		hash = u.hash
	}
	right, err := s.passwords.Verify(ctx, passwords.Attempt{From: from, Name: email, Password: password, Hash: hash})
	if err != nil {
		return nil, "", err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	u := s.find(email) // it may have changed meanwhile
	if !right || u == nil || !u.Active || u.hash != hash {
		return nil, "", ErrBadLogin
	}
	if err := s.sweep(ctx); err != nil {
		return nil, "", err
	}
	token, err := s.renew(ctx, u, nil, refreshToken{})
	return u, token, err
}

// Refresh gives another refresh token for one, which is worth nothing then. Who presents it again ends the session: it
// is in two hands, of which one has stolen it.
func (s *Store) Refresh(ctx context.Context, token string) (*User, string, error) {
	return s.signedIn(ctx, func(ctx context.Context) (*User, string, error) { return s.refresh(ctx, token) })
}

func (s *Store) refresh(ctx context.Context, token string) (*User, string, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.sweep(ctx); err != nil {
		return nil, "", err
	}
	t, one, err := s.presented(ctx, token)
	if err != nil {
		return nil, "", err
	}
	u := s.ByID(t.user)
	if u == nil || !u.Active {
		return nil, "", ErrBadLogin
	}
	token, err = s.renew(ctx, u, one, t)
	return u, token, err
}

// presented finds the session of a refresh token: ErrBadLogin where it has none, ErrUsed where it was used before, by
// which its session has ended.
func (s *Store) presented(ctx context.Context, token string) (refreshToken, *session, error) {
	t, ok := parseRefresh(token)
	if !ok {
		return t, nil, ErrBadLogin
	}
	one, used := s.sessions.find(&t, s.now())
	switch {
	case one == nil:
		return t, nil, ErrBadLogin
	case used:
		s.sessions.end(t.user, grant.Revoked, one) // though it cannot be stored
		if err := s.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{one.gone(t.user)}}); err != nil {
			return t, nil, fmt.Errorf("ending a session whose refresh token was used twice: %w", err)
		}
		return t, nil, ErrUsed
	}
	return t, one, nil
}

// Logout ends the session of a refresh token: ErrBadLogin where it has none.
func (s *Store) Logout(ctx context.Context, token string) error {
	return eventlog.Changed(ctx, s.log, func(ctx context.Context) error { return s.logout(ctx, token) })
}

func (s *Store) logout(ctx context.Context, token string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	t, one, err := s.presented(ctx, token)
	if err != nil {
		return err
	}
	if err := s.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{one.gone(t.user)}}); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	s.sessions.end(t.user, grant.Revoked, one)
	return nil
}

// renew makes the next refresh token of a session, which was found by the token t, or the first of another where there
// is none, in the place of the oldest where there would be too many.
func (s *Store) renew(ctx context.Context, u *User, one *session, t refreshToken) (string, error) {
	token, next := t.next(u.ID)
	fresh := &session{id: next.session, known: next.known, current: next.whole, expires: s.now().Add(sessionTTL).Unix()}
	row, err := fresh.row(u.ID)
	if err != nil {
		return "", fmt.Errorf("storing a session: %w", err)
	}
	rows := []eventlog.Row{row}
	var over []*session
	switch list := s.sessions.of[u.ID]; {
	case one != nil && one.id != fresh.id: // of an earlier version
		over = append(over, one)
	case one == nil && len(list) >= maxSessions:
		over = append(over, list[0])
	}
	for _, old := range over {
		rows = append(rows, old.gone(u.ID))
	}
	// Who withdraws something signs in first.
	if err := s.commit(ctx, &eventlog.Request{Rows: rows, FromReserve: true}); err != nil {
		return "", fmt.Errorf("storing a session: %w", err)
	}
	if one != nil && one.id == fresh.id {
		one.current, one.expires = fresh.current, fresh.expires
		fresh = one
	}
	s.sessions.newest(u.ID, fresh)
	s.sessions.end(u.ID, grant.Revoked, over...)
	return token, nil
}

// sweep takes away what has expired, now and then: those who never come back would leave their sessions for ever. It is
// done by whoever makes one, as without that there are not more of them.
func (s *Store) sweep(ctx context.Context) error {
	x, now := &s.sessions, s.now()
	if now.Sub(x.swept) < sweepEvery {
		return nil
	}
	var rows []eventlog.Row
	over := map[string][]*session{}
	for user, list := range x.of {
		for _, one := range list {
			if one.expires > now.Unix() {
				break
			}
			rows, over[user] = append(rows, one.gone(user)), append(over[user], one)
		}
		if len(rows) >= maxSwept {
			break // the next one goes on
		}
	}
	if len(rows) == 0 {
		x.swept = now
		return nil
	}
	if err := s.commit(ctx, &eventlog.Request{Rows: rows}); err != nil {
		return fmt.Errorf("sweeping sessions: %w", err)
	}
	for user, list := range over {
		x.end(user, grant.Revoked, list...)
	}
	if len(rows) < maxSwept {
		x.swept = now
	}
	return nil
}
