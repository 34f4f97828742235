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

// Limits of sessions.
const (
	maxSessions = 100                // of a user; then the oldest ends
	sessionTTL  = 7 * 24 * time.Hour // without a refresh
	sweepEvery  = time.Hour
	maxSwept    = 1000 // rows of one commit
)

// rowSession is the prefix of the rows of sessions: the user's id, a slash and the session's id follow.
const rowSession = rows.Session

// session is a user's session. Store.changing guards all fields except life.
type session struct {
	id      string
	known   [sha256.Size]byte // hash of the proof that its refresh tokens have in common
	current [sha256.Size]byte // hash of the only refresh token that is valid
	expires int64             // in seconds
	life    *grant.Life       // of its access tokens; made when it is first needed; sessions.mu guards it
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

// deletion returns the row that deletes the session.
func (one *session) deletion(user string) eventlog.Row {
	return eventlog.Row{Key: rowSession + user + "/" + one.id}
}

func readSession(id string, value []byte) (*session, error) {
	one := &session{id: id}
	var r sessionRow
	if expires, err := strconv.ParseInt(string(value), 10, 64); err == nil { // a row of an earlier version: the id is the hash
		r = sessionRow{id, id, expires}
	} else if err := json.Unmarshal(value, &r); err != nil {
		return nil, fmt.Errorf("the row of a session: %w", err)
	}
	for text, to := range map[*string]*[sha256.Size]byte{&r.Known: &one.known, &r.Current: &one.current} {
		hash, err := hex.DecodeString(*text)
		if err != nil || len(hash) != sha256.Size {
			return nil, errors.New("the row of a session has no valid hash")
		}
		*to = [sha256.Size]byte(hash)
	}
	one.expires = r.Expires
	return one, nil
}

// sessions has the sessions of all users, by the user's id, the oldest first. To change the lists, hold both
// Store.changing and mu; to read them, either is enough. mu is a leaf.
type sessions struct {
	mu    sync.Mutex
	of    map[string][]*session
	swept time.Time // when sweep last found no more to remove
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

// deletions returns the rows that delete all sessions of a user.
func (x *sessions) deletions(user string) []eventlog.Row {
	rows := make([]eventlog.Row, 0, len(x.of[user])+1)
	for _, one := range x.of[user] {
		rows = append(rows, one.deletion(user))
	}
	return rows
}

// forget ends all sessions of a user.
func (x *sessions) forget(user string, why grant.End) { x.end(user, why, x.of[user]...) }

// end removes sessions from the list. The streams and sockets that were opened with their access tokens end.
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

// putLast puts a session at the end of the list. It may be in the list already.
func (x *sessions) putLast(user string, one *session) {
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

// find returns the session of a refresh token, or nil if there is none or it has expired. used means that the token was
// used before.
func (x *sessions) find(t *refreshToken, now time.Time) (one *session, used bool) {
	one = x.byID(t.user, t.session)
	if one == nil || one.known != t.known || now.Unix() >= one.expires {
		return nil, false
	}
	return one, one.current != t.whole
}

// Session returns the life of a user's session, or nil if there is no such session.
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

// Login returns the user with this email and password, and a refresh token. Its error is ErrBadLogin if they are wrong,
// passwords.ErrBusy if too many try at once, and a passwords.TriesError after too many wrong tries.
func (s *Store) Login(ctx context.Context, from, email, password string) (*User, string, error) {
	return s.signedIn(ctx, func(ctx context.Context) (*User, string, error) { return s.login(ctx, from, email, password) })
}

// signedIn runs a change that returns a user and a refresh token.
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
	if u := s.find(email); u != nil && u.Active { // the right password of an inactive user must count as wrong, or it could be found out
		hash = u.hash
	}
	right, err := s.passwords.Verify(ctx, passwords.Attempt{From: from, Name: email, Password: password, Hash: hash})
	if err != nil {
		return nil, "", err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	u := s.find(email) // the user may have changed during the check
	if !right || u == nil || !u.Active || u.hash != hash {
		return nil, "", ErrBadLogin
	}
	if err := s.sweep(ctx); err != nil {
		return nil, "", err
	}
	token, err := s.renew(ctx, u, nil, refreshToken{})
	return u, token, err
}

// Refresh exchanges a refresh token for the next one. A second use of the same token ends the session: two clients have
// it, so one of them has stolen it.
func (s *Store) Refresh(ctx context.Context, token string) (*User, string, error) {
	return s.signedIn(ctx, func(ctx context.Context) (*User, string, error) { return s.refresh(ctx, token) })
}

func (s *Store) refresh(ctx context.Context, token string) (*User, string, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.sweep(ctx); err != nil {
		return nil, "", err
	}
	t, one, err := s.findSession(ctx, token)
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

// findSession returns the session of a refresh token, or ErrBadLogin if it has none. If the token was used before, it ends
// the session and returns ErrUsed.
func (s *Store) findSession(ctx context.Context, token string) (refreshToken, *session, error) {
	t, ok := parseRefresh(token)
	if !ok {
		return t, nil, ErrBadLogin
	}
	one, used := s.sessions.find(&t, s.now())
	switch {
	case one == nil:
		return t, nil, ErrBadLogin
	case used:
		s.sessions.end(t.user, grant.Revoked, one) // before the commit, so that it ends even if the commit fails
		if err := s.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{one.deletion(t.user)}}); err != nil {
			return t, nil, fmt.Errorf("ending a session whose refresh token was used twice: %w", err)
		}
		return t, nil, ErrUsed
	}
	return t, one, nil
}

// Logout ends the session of a refresh token, or returns ErrBadLogin if it has none.
func (s *Store) Logout(ctx context.Context, token string) error {
	return eventlog.Changed(ctx, s.log, func(ctx context.Context) error { return s.logout(ctx, token) })
}

func (s *Store) logout(ctx context.Context, token string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	t, one, err := s.findSession(ctx, token)
	if err != nil {
		return err
	}
	if err := s.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{one.deletion(t.user)}}); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	s.sessions.end(t.user, grant.Revoked, one)
	return nil
}

// renew makes the next refresh token of the session one, whose present token is t. If one is nil, it makes the first token
// of a new session, and ends the oldest session if there are too many.
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
	case one != nil && one.id != fresh.id: // a session of an earlier version is replaced by a new one
		over = append(over, one)
	case one == nil && len(list) >= maxSessions:
		over = append(over, list[0])
	}
	for _, old := range over {
		rows = append(rows, old.deletion(u.ID))
	}
	// Signing in may use the reserve of a full disk: users must sign in before they can delete anything.
	if err := s.commit(ctx, &eventlog.Request{Rows: rows, FromReserve: true}); err != nil {
		return "", fmt.Errorf("storing a session: %w", err)
	}
	if one != nil && one.id == fresh.id {
		one.current, one.expires = fresh.current, fresh.expires
		fresh = one
	}
	s.sessions.putLast(u.ID, fresh)
	s.sessions.end(u.ID, grant.Revoked, over...)
	return token, nil
}

// sweep deletes expired sessions, once in sweepEvery. Otherwise those of users who never come back would stay for ever. It
// runs when a session is made or renewed, because only then their number can grow.
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
			rows, over[user] = append(rows, one.deletion(user)), append(over[user], one)
		}
		if len(rows) >= maxSwept {
			break // the next sweep continues
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
