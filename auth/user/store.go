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

// Store has the users and their sessions. What it has in memory follows the rows, so all stores on a log agree.
type Store struct {
	log       *eventlog.Log
	effects   *eventlog.Effects // ends lives
	now       func() time.Time
	passwords *passwords.Checker
	max       int

	sessions sessions
	mu       sync.RWMutex
	byEmail  map[string]*User
	byID     map[string]*User
}

// Open reads the users and their sessions.
func Open(log *eventlog.Log, checker *passwords.Checker, now func() time.Time) (*Store, error) {
	s := &Store{
		log: log, effects: log.Effects(), now: now, passwords: checker, max: maxUsers,
		byEmail: map[string]*User{}, byID: map[string]*User{}, sessions: sessions{of: map[string][]*session{}},
	}
	// The users are followed first: see putSession.
	err := log.FollowRows(rowUser, eventlog.Cache{Put: s.put, Names: s.names})
	if err == nil {
		err = log.FollowRows(rowSession, eventlog.Cache{Put: s.putSession, Names: s.sessions.names})
	}
	if err != nil {
		return nil, fmt.Errorf("reading users: %w", err)
	}
	return s, nil
}

// put puts a user's row in force. The life of the old user ends after that, so clients that come back find the new one.
func (s *Store) put(email string, value []byte) error {
	next, err := readUser(value)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.byEmail[email]
	if old != nil {
		delete(s.byID, old.ID)
		why := grant.Revoked
		if next != nil && next.ID == old.ID && next.Active {
			why = grant.Changed
		}
		s.effects.Do(func() { old.Life.End(why) })
	}
	if next == nil {
		delete(s.byEmail, email)
	} else {
		s.byEmail[email], s.byID[next.ID] = next, next
	}
	return nil
}

func (s *Store) names(prefix string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return eventlog.Named(s.byEmail, prefix)
}

// readUser reads the value of a row; nil stands for no user.
func readUser(value []byte) (*User, error) {
	if value == nil {
		return nil, nil
	}
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, err
	}
	return r.user(), nil
}

// read reads a user from the row, which it returns too. The user is nil if there is none.
func (s *Store) read(email string) (u *User, row eventlog.Row, err error) {
	row.Key = rowUser + normal(email)
	if row.Value, err = s.log.Row(row.Key); err == nil {
		u, err = readUser(row.Value)
	}
	if err != nil {
		err = fmt.Errorf("reading a user: %w", err)
	}
	return u, row, err
}

// inForce returns the user in memory that u, which was read from the row, is a copy of.
func (s *Store) inForce(u *User) *User {
	if now := s.ByID(u.ID); now != nil && now.Version == u.Version {
		return now
	}
	u.Life.End(grant.Changed) // somebody has changed it since
	return u
}

// change runs a change that reads rows and is conditional on them, and waits until its effects are over.
func (s *Store) change(ctx context.Context, f func() error) error {
	err := s.log.Retry(ctx, f)
	s.effects.Wait()
	return err
}

// Get returns the user with an email, or ErrUnknown.
func (s *Store) Get(ctx context.Context, email string) (u *User, err error) {
	err = s.log.Again(ctx, func() bool {
		u = s.find(email)
		return u != nil
	})
	if err == nil && u == nil {
		err = ErrUnknown
	}
	return u, err
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
	email = normal(email)
	if err := checkEmail(email); err != nil {
		return nil, err
	}
	if c.Password == nil {
		return nil, fmt.Errorf("%w: it needs a password", ErrInvalid)
	}
	// A hash is expensive, so all other checks come first.
	var bad error
	behind := s.log.Again(ctx, func() bool {
		_, bad = s.newUser(email, s.find(email), &c, "")
		return bad == nil
	})
	if err := cmp.Or(behind, bad); err != nil {
		return nil, err
	}
	hash, err := s.hash(ctx, &c)
	if err != nil {
		return nil, err
	}
	var fresh *User
	err = s.change(ctx, func() error {
		now, row, err := s.read(email)
		if err == nil {
			fresh, err = s.newUser(email, now, &c, hash)
		}
		if err != nil {
			return err
		}
		return s.store(ctx, row, nil, fresh)
	})
	if err != nil {
		return nil, err
	}
	return s.inForce(fresh), nil
}

// newUser returns the new user without storing it. now is the user with the email, who must not exist.
func (s *Store) newUser(email string, now *User, c *Change, hash string) (*User, error) {
	switch {
	case now != nil:
		return nil, ErrTaken
	case s.Count() >= s.max:
		return nil, fmt.Errorf("%w: %d", ErrTooMany, s.max)
	}
	fresh := &User{Email: email, Active: true, Created: s.now().UTC().Truncate(time.Millisecond), ID: strings.ToLower(rand.Text()[:12]), Life: grant.NewLife()}
	return fresh.apply(c, hash)
}

// Change changes a user. All access tokens of the user, and the streams and sockets that were opened with them, end. The
// sessions end too if the password changes or the user is no longer active.
func (s *Store) Change(ctx context.Context, email string, c Change) (*User, error) {
	if _, err := s.Get(ctx, email); err != nil {
		return nil, err
	}
	hash, err := s.hash(ctx, &c)
	if err != nil {
		return nil, err
	}
	var next *User
	err = s.change(ctx, func() error {
		old, row, err := s.read(email)
		if err != nil {
			return err
		}
		if old == nil {
			return ErrUnknown
		}
		if err := version.Check(c.Match, old.Revision(), old); err != nil {
			return err
		}
		if next, err = old.apply(&c, hash); err != nil || next.same(old) {
			return err
		}
		return s.store(ctx, row, old, next)
	})
	if err != nil {
		return nil, err
	}
	return s.inForce(next), nil
}

// store stores a user with a new version. row and old are what was read: old is nil for a new user. Sessions are dropped by
// their prefix, so that none is left that another change has made meanwhile.
func (s *Store) store(ctx context.Context, row eventlog.Row, old, next *User) error {
	r := &eventlog.Request{If: []eventlog.Condition{eventlog.RowIs(row.Key, row.Value)}, FromReserve: old != nil}
	next.Version, next.Life = version.New(), grant.NewLife()
	var err error
	if row.Value, err = rows.Update(row.Value, next.record()); err != nil {
		return fmt.Errorf("storing a user: %w", err)
	}
	r.Rows = []eventlog.Row{row}
	if old != nil && (old.hash != next.hash || !next.Active) {
		r.Edit = dropSessions(next.ID)
	}
	if err := s.commit(ctx, r); err != nil {
		return fmt.Errorf("storing a user: %w", err)
	}
	return nil
}

func (s *Store) commit(ctx context.Context, r *eventlog.Request) error {
	_, err := s.log.Append(context.WithoutCancel(ctx), r)
	return err
}

// Remove deletes a user and the user's sessions. A later user with the same email is a different one.
func (s *Store) Remove(ctx context.Context, email string) error { return s.RemoveIf(ctx, email, nil) }

// RemoveIf is Remove for a user of the given revision.
func (s *Store) RemoveIf(ctx context.Context, email string, match version.Match) error {
	if _, err := s.Get(ctx, email); err != nil {
		return err
	}
	return s.change(ctx, func() error {
		u, row, err := s.read(email)
		if err != nil {
			return err
		}
		if u == nil {
			return ErrUnknown
		}
		if err := version.Check(match, u.Revision(), u); err != nil {
			return err
		}
		err = s.commit(ctx, &eventlog.Request{
			Rows: []eventlog.Row{{Key: row.Key}}, Edit: dropSessions(u.ID), If: []eventlog.Condition{eventlog.RowIs(row.Key, row.Value)},
		})
		if err != nil {
			return fmt.Errorf("removing a user: %w", err)
		}
		return nil
	})
}
