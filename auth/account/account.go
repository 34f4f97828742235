package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/auth/passwords"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

// Errors that callers compare with.
var (
	ErrUnknown  = errors.New("there is no such account")
	ErrTaken    = errors.New("the username is taken")
	ErrName     = errors.New("the username cannot be used")
	ErrPassword = errors.New("the password cannot be used")
	ErrTooMany  = errors.New("there are too many accounts")
	ErrBusy     = passwords.ErrBusy
)

// maxAccounts is the largest number of accounts; all are in memory.
const maxAccounts = 100_000

// Account is an account. Nothing changes an Account: a change makes a new one.
type Account struct {
	ID       string    `json:"id"`
	Username string    `json:"username"`
	Name     string    `json:"name"`
	Active   bool      `json:"active"`
	Created  time.Time `json:"created"`
	Hash     string    `json:"hash"`
}

const rowAccount = rows.Account

// Store has the accounts. byName follows the rows, so all stores on a log agree.
type Store struct {
	log     *eventlog.Log
	effects *eventlog.Effects // calls changed
	changed atomic.Pointer[func(*Account)]
	checks  *passwords.Checker

	mu     sync.RWMutex
	byName map[string]*Account
}

// Open reads the accounts.
func Open(log *eventlog.Log, checks *passwords.Checker) (*Store, error) {
	s := &Store{log: log, effects: log.Effects(), checks: checks, byName: map[string]*Account{}}
	if err := log.FollowRows(rowAccount, eventlog.Cache{Put: s.put, Names: s.names}); err != nil {
		return nil, fmt.Errorf("reading accounts: %w", err)
	}
	return s, nil
}

func (s *Store) put(username string, value []byte) error {
	next, err := readAccount(value)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.byName[username]
	if next == nil {
		delete(s.byName, username)
	} else {
		s.byName[username] = next
	}
	if old != nil && (next == nil || next.ID != old.ID || !next.Active) {
		s.effects.Do(func() { s.notify(old) })
	}
	return nil
}

func (s *Store) names(prefix string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return eventlog.Named(s.byName, prefix)
}

// readAccount reads the value of a row; nil stands for no account.
func readAccount(value []byte) (*Account, error) {
	if value == nil {
		return nil, nil
	}
	a := &Account{}
	return a, json.Unmarshal(value, a)
}

// OnChange sets the function that is called after an account was deactivated or destroyed, and before who did it
// gets the answer. Call OnChange before the store is used.
func (s *Store) OnChange(f func(*Account)) { s.changed.Store(&f) }

func (s *Store) notify(a *Account) {
	if f := s.changed.Load(); f != nil {
		(*f)(a)
	}
}

// Get returns an account, or ErrUnknown.
func (s *Store) Get(username string) (*Account, error) {
	if a := s.now(username); a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknown, username)
}

// All returns the accounts, sorted by username.
func (s *Store) All() []*Account {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Account, 0, len(s.byName))
	for _, a := range s.byName {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *Account) int { return cmp.Compare(a.Username, b.Username) })
	return all
}

// Root is the name of the administrator, who has no account.
const Root = "root"

// maxText is the longest username and name, in bytes.
const maxText = 256

func checkName(username string) error {
	switch {
	case username == "" || len(username) > maxText:
		return fmt.Errorf("%w: it must have 1 to %d bytes", ErrName, maxText)
	case username == Root || username == "current":
		return fmt.Errorf("%w: %q is reserved", ErrName, username)
	case strings.ContainsAny(username, ":/?#%") || strings.TrimSpace(username) != username || strings.ContainsFunc(username, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return fmt.Errorf("%w: it contains one of : / ? # %% or a control character, or begins or ends with white space", ErrName)
	}
	return nil
}

// Create makes an active account.
func (s *Store) Create(ctx context.Context, username, name, password string) (*Account, error) {
	if err := checkName(username); err != nil {
		return nil, err
	}
	if len(name) > maxText {
		return nil, fmt.Errorf("%w: the name is longer than %d bytes", ErrName, maxText)
	}
	if password == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrPassword)
	}
	if len(password) > passwords.Max {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrPassword, passwords.Max)
	}
	hash, err := s.checks.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	a := &Account{ID: rand.Text(), Username: username, Name: name, Active: true, Created: time.Now().UTC(), Hash: hash}
	return a, s.change(ctx, username, false, func(now *Account) (*Account, error) {
		switch {
		case now != nil && !s.has(username):
			return nil, eventlog.ErrRow // it is just being stored; after ErrTaken, callers must find it
		case now != nil:
			return nil, fmt.Errorf("%w: %q", ErrTaken, username)
		case s.count() >= maxAccounts:
			return nil, ErrTooMany
		}
		return a, nil
	})
}

func (s *Store) has(username string) bool {
	_, err := s.Get(username)
	return err == nil
}

func (s *Store) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.byName)
}

// SetActive activates or deactivates an account. Only an active account may sign in.
func (s *Store) SetActive(ctx context.Context, username string, active bool) error {
	return s.change(ctx, username, true, func(now *Account) (*Account, error) {
		if now == nil {
			return nil, fmt.Errorf("%w: %q", ErrUnknown, username)
		}
		next := *now
		next.Active = active
		return &next, nil
	})
}

// Destroy deletes an account. A later account of the same name is a different one, without any rights of the first.
func (s *Store) Destroy(ctx context.Context, username string) error {
	return s.change(ctx, username, true, func(now *Account) (*Account, error) {
		if now == nil {
			return nil, fmt.Errorf("%w: %q", ErrUnknown, username)
		}
		return nil, nil
	})
}

// change stores what f makes of the account as it is; nil stands for no account. f may run several times. Once stored, the
// change is in force here, and its effects are over.
func (s *Store) change(ctx context.Context, username string, fromReserve bool, f func(now *Account) (*Account, error)) error {
	err := s.log.Retry(ctx, func() error {
		key := rowAccount + username
		was, err := s.log.Row(key)
		if err != nil {
			return fmt.Errorf("reading an account: %w", err)
		}
		now, err := readAccount(was)
		if err != nil {
			return fmt.Errorf("reading an account: %w", err)
		}
		next, err := f(now)
		if err != nil {
			return err
		}
		row := eventlog.Row{Key: key}
		if next != nil {
			if row.Value, err = rows.Update(was, next); err != nil {
				return err
			}
		}
		return s.commit(ctx, &eventlog.Request{
			Rows: []eventlog.Row{row}, If: []eventlog.Condition{eventlog.RowIs(key, was)}, FromReserve: fromReserve,
		})
	})
	s.effects.Wait()
	return err
}

func (s *Store) commit(ctx context.Context, r *eventlog.Request) error {
	if _, err := s.log.Append(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("storing an account: %w", err)
	}
	return nil
}

// Verify returns the account of a name and a password that come from an address. Its error is ErrUnknown if they are wrong
// or the account is not active, and a passwords.TriesError if too many tries were wrong.
func (s *Store) Verify(ctx context.Context, from, username, password string) (*Account, error) {
	a, ok, err := s.verify(ctx, from, username, password)
	if ok || err != nil {
		return a, err
	}
	// Whatever is wrong, or the time would reveal which names exist.
	if err := s.log.Barrier(ctx); err != nil {
		return nil, fmt.Errorf("checking a password: %w", err)
	}
	if s.now(username) == a {
		return nil, ErrUnknown
	}
	if a, ok, err = s.verify(ctx, from, username, password); err == nil && !ok {
		return nil, ErrUnknown
	}
	return a, err
}

// verify checks a password against the account as it is here, and returns the account, or nil if there is none.
func (s *Store) verify(ctx context.Context, from, username, password string) (a *Account, ok bool, err error) {
	hash := ""
	if a = s.now(username); a != nil && a.Active { // the right password of an inactive account must count as wrong, or it could be found out
		hash = a.Hash
	}
	ok, err = s.checks.Verify(ctx, passwords.Attempt{From: from, Name: username, Password: password, Hash: hash})
	if err != nil {
		return nil, false, err
	}
	return a, ok, nil
}

// now is the account of a name, or nil.
func (s *Store) now(username string) *Account {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byName[username]
}
