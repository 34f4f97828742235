package user

import (
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

// session is what is in memory of a user's session.
type session struct {
	id      string
	expires int64       // in seconds
	life    *grant.Life // of its access tokens; made when it is first needed
	user    *User       // as it was when the life was last asked for
}

// sessionRow is a session's row. The hashes are in hexadecimal.
type sessionRow struct {
	Known   string `json:"known"`   // hash of the proof that its refresh tokens have in common
	Current string `json:"current"` // hash of the only refresh token that is valid
	Expires int64  `json:"expires"`
}

func readSession(id string, value []byte) (*sessionRow, error) {
	r := &sessionRow{}
	if expires, err := strconv.ParseInt(string(value), 10, 64); err == nil { // a row of an earlier version: the id is the hash
		r = &sessionRow{id, id, expires}
	} else if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("the row of a session: %w", err)
	}
	for _, text := range []string{r.Known, r.Current} {
		if hash, err := hex.DecodeString(text); err != nil || len(hash) != sha256.Size {
			return nil, errors.New("the row of a session has no valid hash")
		}
	}
	return r, nil
}

// sessions has the sessions of all users, by the user's id. Those that expire first come first. mu is a leaf.
type sessions struct {
	mu    sync.Mutex
	of    map[string][]*session
	swept time.Time // when sweep last found no more to remove
}

// put adds, renews or removes a session. It returns the session before that, or nil.
func (x *sessions) put(user, id string, r *sessionRow) (before *session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.of[user]
	if at := slices.IndexFunc(list, func(one *session) bool { return one.id == id }); at >= 0 {
		before = list[at]
		list = slices.Delete(list, at, at+1)
	}
	if r != nil {
		one := before
		if one == nil {
			one = &session{id: id}
		}
		one.expires = r.Expires
		at := len(list)
		for at > 0 && list[at-1].expires > one.expires {
			at--
		}
		list = slices.Insert(list, at, one)
	}
	if x.of[user] = list; len(list) == 0 {
		delete(x.of, user)
	}
	return before
}

// names returns the names of sessions that begin with a prefix, such as that of a user.
func (x *sessions) names(prefix string) (names []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if user, _, whole := strings.Cut(prefix, "/"); whole {
		return named(names, user, x.of[user], prefix)
	}
	for user, list := range x.of {
		names = named(names, user, list, prefix)
	}
	return names
}

func named(names []string, user string, list []*session, prefix string) []string {
	for _, one := range list {
		if name := user + "/" + one.id; strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// oldest returns the id of the session that a user loses if there is one more, or "".
func (x *sessions) oldest(user string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if list := x.of[user]; len(list) >= maxSessions {
		return list[0].id
	}
	return ""
}

// expired returns the keys of sessions that have expired, if it is time to sweep. They may be more than one sweep removes.
func (x *sessions) expired(now time.Time) (keys []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Sub(x.swept) < sweepEvery {
		return nil
	}
	for user, list := range x.of {
		for _, one := range list {
			if one.expires > now.Unix() {
				break
			}
			keys = append(keys, sessionKey(user, one.id))
		}
		if len(keys) >= maxSwept {
			return keys // the next sweep continues
		}
	}
	x.swept = now
	return keys
}

func sessionKey(user, id string) string { return rowSession + user + "/" + id }

// dropSessions deletes all sessions of a user.
func dropSessions(user string) *eventlog.Edit {
	return &eventlog.Edit{DropRows: []string{sessionKey(user, "")}}
}

// putSession puts a session's row in force. If the session is over, the streams and sockets that were opened with its
// access tokens end. The reason is that of the user if the same commit has changed the user, who was followed first.
func (s *Store) putSession(name string, value []byte) (err error) {
	user, id, _ := strings.Cut(name, "/")
	var r *sessionRow
	if value != nil {
		if r, err = readSession(id, value); err != nil {
			return err
		}
	}
	before := s.sessions.put(user, id, r)
	if r != nil || before == nil || before.life == nil {
		return nil
	}
	why := grant.Revoked
	if now := s.ByID(user); now != nil && now != before.user && now.Active {
		why = grant.Changed
	}
	s.effects.Do(func() { before.life.End(why) })
	return nil
}

// Session returns the life of a user's session, or nil if there is no such session.
func (s *Store) Session(user, id string) *grant.Life {
	u, x := s.ByID(user), &s.sessions
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, one := range x.of[user] {
		if one.id != id {
			continue
		}
		if one.life == nil {
			one.life = grant.NewLife()
		}
		one.user = u
		return one.life
	}
	return nil
}

// Login returns the user with this email and password, and a refresh token. Its error is ErrBadLogin if they are wrong,
// passwords.ErrBusy if too many try at once, and a passwords.TriesError after too many wrong tries.
func (s *Store) Login(ctx context.Context, from, email, password string) (*User, string, error) {
	// Always, not only for a name that is unknown here, or the time would reveal the name.
	if err := s.log.Barrier(ctx); err != nil {
		return nil, "", fmt.Errorf("signing in: %w", err)
	}
	email = normal(email)
	hash := ""
	if u := s.find(email); u != nil && u.Active { // the right password of an inactive user must count as wrong, or it could be found out
		hash = u.hash
	}
	right, err := s.passwords.Verify(ctx, passwords.Attempt{From: from, Name: email, Password: password, Hash: hash})
	if err != nil {
		return nil, "", err
	}
	if !right {
		return nil, "", ErrBadLogin
	}
	var u *User
	var token string
	err = s.change(ctx, func() (err error) {
		var row eventlog.Row
		if u, row, err = s.read(email); err != nil {
			return err
		}
		if u == nil || !u.Active || u.hash != hash { // the user may have changed during the check
			return ErrBadLogin
		}
		if err := s.sweep(ctx); err != nil {
			return err
		}
		token, err = s.renew(ctx, u, refreshToken{}, row)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return s.inForce(u), token, nil
}

// Refresh exchanges a refresh token for the next one. A second use of the same token ends the session: two clients have
// it, so one of them has stolen it.
func (s *Store) Refresh(ctx context.Context, token string) (*User, string, error) {
	// If this gateway were behind, the token that follows a used one would look like a stolen one, and end the session.
	if err := s.log.Barrier(ctx); err != nil {
		return nil, "", fmt.Errorf("renewing a session: %w", err)
	}
	var u *User
	var next string
	err := s.change(ctx, func() error {
		if err := s.sweep(ctx); err != nil {
			return err
		}
		t, row, err := s.findSession(ctx, token)
		if err != nil {
			return err
		}
		if u = s.ByID(t.user); u == nil || !u.Active {
			return ErrBadLogin
		}
		next, err = s.renew(ctx, u, t, row)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return u, next, nil
}

// findSession returns the parsed refresh token and the row of its session, or ErrBadLogin if it has none. If the token was
// used before, it ends the session and returns ErrUsed.
func (s *Store) findSession(ctx context.Context, token string) (t refreshToken, row eventlog.Row, err error) {
	t, ok := parseRefresh(token)
	if !ok || s.ByID(t.user) == nil {
		return t, row, ErrBadLogin
	}
	row.Key = sessionKey(t.user, t.session)
	if row.Value, err = s.log.Row(row.Key); err != nil {
		return t, row, fmt.Errorf("reading a session: %w", err)
	}
	if row.Value == nil {
		return t, row, ErrBadLogin
	}
	one, err := readSession(t.session, row.Value)
	switch {
	case err != nil:
		return t, row, err
	case one.Known != hex.EncodeToString(t.known[:]), s.now().Unix() >= one.Expires:
		return t, row, ErrBadLogin
	case one.Current == hex.EncodeToString(t.whole[:]):
		return t, row, nil
	}
	// Without a condition: whatever has happened to the session meanwhile, it must end.
	if err := s.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{{Key: row.Key}}}); err != nil {
		return t, row, fmt.Errorf("ending a session whose refresh token was used twice: %w", err)
	}
	return t, row, ErrUsed
}

// Logout ends the session of a refresh token, or returns ErrBadLogin if it has none.
func (s *Store) Logout(ctx context.Context, token string) error {
	if err := s.log.Barrier(ctx); err != nil { // as for Refresh
		return fmt.Errorf("ending a session: %w", err)
	}
	return s.change(ctx, func() error {
		_, row, err := s.findSession(ctx, token)
		if err != nil {
			return err
		}
		err = s.commit(ctx, &eventlog.Request{
			Rows: []eventlog.Row{{Key: row.Key}}, If: []eventlog.Condition{eventlog.RowIs(row.Key, row.Value)},
		})
		if err != nil {
			return fmt.Errorf("ending a session: %w", err)
		}
		return nil
	})
}

// renew makes the next refresh token of a session, whose present token is t. If t is zero, it makes the first token of a new
// session, and ends the oldest session if there are too many. The commit is conditional on a row: that of the session, so
// that a token works once, or for a new one that of the user, so that no session begins when the user signs out everywhere.
func (s *Store) renew(ctx context.Context, u *User, t refreshToken, was eventlog.Row) (string, error) {
	token, next := t.next(u.ID)
	fresh := sessionRow{hex.EncodeToString(next.known[:]), hex.EncodeToString(next.whole[:]), s.now().Add(sessionTTL).Unix()}
	row := eventlog.Row{Key: sessionKey(u.ID, next.session)}
	// Signing in may use the reserve of a full disk: users must sign in before they can delete anything.
	r := &eventlog.Request{If: []eventlog.Condition{eventlog.RowIs(was.Key, was.Value)}, FromReserve: true}
	var before []byte
	var err error
	switch oldest := s.sessions.oldest(u.ID); {
	case was.Key == row.Key:
		before = was.Value
	case t.session != "": // a session of an earlier version is replaced by a new one
		r.Rows = append(r.Rows, eventlog.Row{Key: was.Key})
	case oldest != "":
		key := sessionKey(u.ID, oldest)
		value, err := s.log.Row(key)
		if err != nil {
			return "", fmt.Errorf("reading a session: %w", err)
		}
		r.Rows = append(r.Rows, eventlog.Row{Key: key})
		r.If = append(r.If, eventlog.RowIs(key, value))
	}
	if row.Value, err = rows.Update(before, fresh); err != nil {
		return "", fmt.Errorf("storing a session: %w", err)
	}
	r.Rows = append(r.Rows, row)
	if err := s.commit(ctx, r); err != nil {
		return "", fmt.Errorf("storing a session: %w", err)
	}
	return token, nil
}

// sweep deletes expired sessions, once in sweepEvery. Otherwise those of users who never come back would stay for ever. It
// runs when a session is made or renewed, because only then their number can grow.
func (s *Store) sweep(ctx context.Context) error {
	now := s.now()
	keys := s.sessions.expired(now)
	if len(keys) == 0 {
		return nil
	}
	r := &eventlog.Request{}
	for _, key := range keys {
		value, err := s.log.Row(key)
		if err != nil {
			return fmt.Errorf("reading a session: %w", err)
		}
		if one, err := readSession("", value); err == nil && one.Expires > now.Unix() {
			continue // renewed meanwhile, by a clock that is behind
		}
		r.Rows = append(r.Rows, eventlog.Row{Key: key})
		r.If = append(r.If, eventlog.RowIs(key, value))
	}
	// If one of the rows has changed, somebody else sweeps.
	if err := s.commit(ctx, r); err != nil && !errors.Is(err, eventlog.ErrRow) {
		return fmt.Errorf("sweeping sessions: %w", err)
	}
	return nil
}
