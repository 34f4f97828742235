package user

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/auth/passwords"
	"sluice/broker/eventlog"
)

// Bounds of sessions.
const (
	maxSessions = 100                // of a user; the oldest goes
	sessionTTL  = 7 * 24 * time.Hour // without a refresh
	sweepEvery  = time.Hour
	maxSwept    = 1000 // rows of one commit
)

// The rows: rowSession, the user's id, a slash and the hash of the refresh token; the value is the second it expires.
const rowSession = "session/"

// session is what is kept of a refresh token.
type session struct {
	hash    [sha256.Size]byte
	expires int64
}

// sessions are those of all users, by the user's id, the oldest first.
type sessions struct {
	of    map[string][]session
	swept time.Time
}

func (x *sessions) read(log *eventlog.Log) error {
	x.of = map[string][]session{}
	err := log.Rows(rowSession, func(row eventlog.Row) error {
		id, text, _ := strings.Cut(strings.TrimPrefix(row.Key, rowSession), "/")
		hash, err := hex.DecodeString(text)
		if err != nil || len(hash) != sha256.Size {
			return errors.New("the key of a session is none")
		}
		expires, err := strconv.ParseInt(string(row.Value), 10, 64)
		if err != nil {
			return fmt.Errorf("the row of a session: %w", err)
		}
		x.of[id] = append(x.of[id], session{[sha256.Size]byte(hash), expires})
		return nil
	})
	for _, list := range x.of {
		slices.SortStableFunc(list, func(a, b session) int { return cmp.Compare(a.expires, b.expires) })
	}
	return err
}

func rowOf(id string, one session) eventlog.Row {
	return eventlog.Row{Key: rowSession + id + "/" + hex.EncodeToString(one.hash[:])}
}

// gone are the rows that take all sessions of a user away.
func (x *sessions) gone(id string) []eventlog.Row {
	rows := make([]eventlog.Row, 0, len(x.of[id])+1)
	for _, one := range x.of[id] {
		rows = append(rows, rowOf(id, one))
	}
	return rows
}

func (x *sessions) forget(id string) { delete(x.of, id) }

// find gives the place of a refresh token among its user's, -1 where there is none or it has expired.
func (x *sessions) find(id string, hash [sha256.Size]byte, now time.Time) int {
	return slices.IndexFunc(x.of[id], func(one session) bool { return one.hash == hash && now.Unix() < one.expires })
}

// split takes a refresh token apart: the id of its user, and the hash of all of it.
func split(token string) (id string, hash [sha256.Size]byte) {
	id, _, _ = strings.Cut(token, ".")
	return id, sha256.Sum256([]byte(token))
}

// Login finds the user who signs in from an address, and gives a refresh token: ErrBadLogin where email and password are
// none's, passwords.ErrBusy where too many try, a passwords.TriesError where too many were wrong.
func (s *Store) Login(ctx context.Context, from, email, password string) (*User, string, error) {
	email = normal(email)
	hash := ""
	if u := s.find(email); u != nil {
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
	token, err := s.session(ctx, u, -1)
	return u, token, err
}

// Refresh gives another refresh token for one, which is worth nothing then.
func (s *Store) Refresh(ctx context.Context, token string) (*User, string, error) {
	id, hash := split(token)
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.sweep(ctx); err != nil {
		return nil, "", err
	}
	at, u := s.sessions.find(id, hash, s.now()), s.ByID(id)
	if at < 0 || u == nil || !u.Active {
		return nil, "", ErrBadLogin
	}
	token, err := s.session(ctx, u, at)
	return u, token, err
}

// Logout ends the session of a refresh token: ErrBadLogin where it has none.
func (s *Store) Logout(ctx context.Context, token string) error {
	id, hash := split(token)
	s.changing.Lock()
	defer s.changing.Unlock()
	at := s.sessions.find(id, hash, s.now())
	if at < 0 {
		return ErrBadLogin
	}
	list := s.sessions.of[id]
	if err := s.commit(ctx, []eventlog.Row{rowOf(id, list[at])}); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	s.sessions.keep(id, slices.Delete(list, at, at+1))
	return nil
}

// keep notes what a user has now.
func (x *sessions) keep(id string, list []session) {
	if len(list) == 0 {
		delete(x.of, id)
		return
	}
	x.of[id] = list
}

// session makes a refresh token, in the place of the one at used if that is not negative, and in the place of the
// oldest where there would be too many.
func (s *Store) session(ctx context.Context, u *User, used int) (string, error) {
	secret := make([]byte, 32)
	rand.Read(secret) //nolint:errcheck // never fails, by its documentation
	token := u.ID + "." + base64.RawURLEncoding.EncodeToString(secret)
	_, hash := split(token)
	fresh := session{hash, s.now().Add(sessionTTL).Unix()}
	row := rowOf(u.ID, fresh)
	row.Value = strconv.AppendInt(nil, fresh.expires, 10)
	rows, list := []eventlog.Row{row}, slices.Clone(s.sessions.of[u.ID])
	if used < 0 && len(list) >= maxSessions {
		used = 0
	}
	if used >= 0 {
		rows = append(rows, rowOf(u.ID, list[used]))
		list = slices.Delete(list, used, used+1)
	}
	if err := s.commit(ctx, rows); err != nil {
		return "", fmt.Errorf("storing a session: %w", err)
	}
	s.sessions.keep(u.ID, append(list, fresh))
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
	kept := map[string][]session{}
	for id, list := range x.of {
		n := 0
		for n < len(list) && list[n].expires <= now.Unix() {
			rows = append(rows, rowOf(id, list[n]))
			n++
		}
		if n > 0 {
			kept[id] = slices.Clone(list[n:])
		}
		if len(rows) >= maxSwept {
			break // the next one goes on
		}
	}
	if len(rows) == 0 {
		x.swept = now
		return nil
	}
	if err := s.commit(ctx, rows); err != nil {
		return fmt.Errorf("sweeping sessions: %w", err)
	}
	for id, list := range kept {
		x.keep(id, list)
	}
	if len(rows) < maxSwept {
		x.swept = now
	}
	return nil
}
