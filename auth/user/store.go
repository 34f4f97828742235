package user

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/auth/version"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

// maxUsers is the largest number of users; all are in memory.
const maxUsers = 100_000

const rowUser = rows.User

// Store has the users and their sessions.
type Store struct {
	log       *eventlog.Log
	now       func() time.Time
	passwords *passwords.Checker
	max       int

	changing sync.Mutex // one change of users or sessions at a time
	sessions sessions
	mu       sync.RWMutex
	byEmail  map[string]*User
	byID     map[string]*User
}

// Open reads the users and their sessions.
func Open(log *eventlog.Log, checker *passwords.Checker, now func() time.Time) (*Store, error) {
	s := &Store{log: log, now: now, passwords: checker, max: maxUsers, byEmail: map[string]*User{}, byID: map[string]*User{}}
	err := log.Rows(rowUser, func(row eventlog.Row) error {
		var r record
		if err := json.Unmarshal(row.Value, &r); err != nil {
			return fmt.Errorf("the row of user %q: %w", strings.TrimPrefix(row.Key, rowUser), err)
		}
		s.put(r.user())
		return nil
	})
	if err == nil {
		err = s.sessions.read(log)
	}
	if err != nil {
		return nil, fmt.Errorf("reading users: %w", err)
	}
	return s, nil
}

func (s *Store) put(u *User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byEmail[u.Email], s.byID[u.ID] = u, u
}

// Get returns the user with an email, or ErrUnknown.
func (s *Store) Get(email string) (*User, error) {
	if u := s.find(email); u != nil {
		return u, nil
	}
	return nil, ErrUnknown
}

func (s *Store) find(email string) *User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byEmail[normal(email)]
}

// ByID returns the user with an id, or nil.
func (s *Store) ByID(id string) *User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[id]
}

// All returns the users, sorted by email.
func (s *Store) All() []*User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*User, 0, len(s.byEmail))
	for _, u := range s.byEmail {
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b *User) int { return cmp.Compare(a.Email, b.Email) })
	return all
}

// Count returns the number of users.
func (s *Store) Count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.byEmail)
}

// hash returns the hash of a change's new password, or "" if the change has none.
func (s *Store) hash(ctx context.Context, c *Change) (string, error) {
	if c.Password == nil {
		return "", nil
	}
	if err := checkPassword(*c.Password); err != nil {
		return "", err
	}
	return s.passwords.Hash(ctx, *c.Password)
}

// Add makes a user with the password and the grant of c. The user is active unless c says otherwise.
func (s *Store) Add(ctx context.Context, email string, c Change) (*User, error) {
	return eventlog.Change(ctx, s.log, func(ctx context.Context) (*User, error) { return s.add(ctx, email, c) })
}

func (s *Store) add(ctx context.Context, email string, c Change) (*User, error) {
	email = normal(email)
	if err := checkEmail(email); err != nil {
		return nil, err
	}
	if c.Password == nil {
		return nil, fmt.Errorf("%w: it needs a password", ErrInvalid)
	}
	// A hash is expensive, so all other checks come first.
	if _, err := s.newUser(email, &c, ""); err != nil {
		return nil, err
	}
	hash, err := s.hash(ctx, &c)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	u, err := s.newUser(email, &c, hash)
	if err != nil {
		return nil, err
	}
	return u, s.replace(ctx, nil, u)
}

// newUser returns the new user without storing it.
func (s *Store) newUser(email string, c *Change, hash string) (*User, error) {
	switch {
	case s.find(email) != nil:
		return nil, ErrTaken
	case s.Count() >= s.max:
		return nil, fmt.Errorf("%w: %d", ErrTooMany, s.max)
	}
	fresh := &User{Email: email, Active: true, Created: s.now().UTC().Truncate(time.Millisecond), ID: strings.ToLower(rand.Text()[:12])}
	return fresh.apply(c, hash)
}

// Change changes a user. All access tokens of the user, and the streams and sockets that were opened with them, end. The
// sessions end too if the password changes or the user is no longer active.
func (s *Store) Change(ctx context.Context, email string, c Change) (*User, error) {
	return eventlog.Change(ctx, s.log, func(ctx context.Context) (*User, error) { return s.change(ctx, email, c) })
}

func (s *Store) change(ctx context.Context, email string, c Change) (*User, error) {
	if _, err := s.Get(email); err != nil {
		return nil, err
	}
	hash, err := s.hash(ctx, &c)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	old, err := s.Get(email)
	if err != nil {
		return nil, err
	}
	if err := version.Check(c.Match, old.Revision(), old); err != nil {
		return nil, err
	}
	next, err := old.apply(&c, hash)
	if err != nil {
		return nil, err
	}
	if next.same(old) {
		return old, nil
	}
	return next, s.replace(ctx, old, next)
}

// replace stores a user and puts it in force. old is the same user before the change, or nil for a new one.
func (s *Store) replace(ctx context.Context, old, next *User) error {
	was, err := s.row(next.Email)
	if err != nil {
		return err
	}
	next.Version, next.Life = version.New(), grant.NewLife()
	value, err := json.Marshal(next.record())
	if err != nil {
		return fmt.Errorf("storing a user: %w", err)
	}
	rows := []eventlog.Row{{Key: rowUser + next.Email, Value: value}}
	signsOut := old != nil && (old.hash != next.hash || !next.Active)
	if signsOut {
		rows = append(rows, s.sessions.deletions(next.ID)...)
	}
	if err := s.commit(ctx, &eventlog.Request{Rows: rows, If: []eventlog.Condition{eventlog.RowIs(was.Key, was.Value)}, FromReserve: old != nil}); err != nil {
		return fmt.Errorf("storing a user: %w", err)
	}
	why := grant.Changed
	if !next.Active {
		why = grant.Revoked
	}
	// The life of the old user ends last: clients that come back after that must find the new user, and no old session.
	if signsOut {
		s.sessions.forget(next.ID, why)
	}
	s.put(next)
	if old != nil {
		old.Life.End(why)
	}
	return nil
}

// row returns a user's row, without a value if there is none.
func (s *Store) row(email string) (eventlog.Row, error) {
	value, err := s.log.Row(rowUser + email)
	if err != nil {
		err = fmt.Errorf("reading a user: %w", err)
	}
	return eventlog.Row{Key: rowUser + email, Value: value}, err
}

func (s *Store) commit(ctx context.Context, r *eventlog.Request) error {
	_, err := s.log.Append(context.WithoutCancel(ctx), r)
	return err
}

// Remove deletes a user and the user's sessions. A later user with the same email is a different one.
func (s *Store) Remove(ctx context.Context, email string) error { return s.RemoveIf(ctx, email, nil) }

// RemoveIf is Remove for a user of the given revision.
func (s *Store) RemoveIf(ctx context.Context, email string, match version.Match) error {
	return eventlog.Changed(ctx, s.log, func(ctx context.Context) error { return s.remove(ctx, email, match) })
}

func (s *Store) remove(ctx context.Context, email string, match version.Match) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	u, err := s.Get(email)
	if err != nil {
		return err
	}
	if err := version.Check(match, u.Revision(), u); err != nil {
		return err
	}
	was, err := s.row(u.Email)
	if err != nil {
		return err
	}
	if err := s.commit(ctx, &eventlog.Request{Rows: append(s.sessions.deletions(u.ID), eventlog.Row{Key: was.Key}), If: []eventlog.Condition{eventlog.RowIs(was.Key, was.Value)}}); err != nil {
		return fmt.Errorf("removing a user: %w", err)
	}
	s.sessions.forget(u.ID, grant.Revoked)
	s.mu.Lock()
	delete(s.byEmail, u.Email)
	delete(s.byID, u.ID)
	s.mu.Unlock()
	u.Life.End(grant.Revoked)
	return nil
}
