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

// Store has the accounts.
type Store struct {
	log     *eventlog.Log
	changed atomic.Pointer[func(*Account)]
	checks  *passwords.Checker

	changing sync.Mutex // one change at a time
	mu       sync.RWMutex
	byName   map[string]*Account
}

// Open reads the accounts.
func Open(log *eventlog.Log, checks *passwords.Checker) (*Store, error) {
	s := &Store{log: log, checks: checks, byName: map[string]*Account{}}
	err := log.Rows(rowAccount, func(r eventlog.Row) error {
		a := &Account{}
		if err := json.Unmarshal(r.Value, a); err != nil {
			return fmt.Errorf("the row of account %q: %w", strings.TrimPrefix(r.Key, rowAccount), err)
		}
		s.byName[a.Username] = a
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading accounts: %w", err)
	}
	return s, nil
}

// OnChange sets the function that is called after an account was deactivated or destroyed. Call OnChange before the store
// is used.
func (s *Store) OnChange(f func(*Account)) { s.changed.Store(&f) }

func (s *Store) notify(a *Account) {
	if f := s.changed.Load(); f != nil {
		(*f)(a)
	}
}

// Get returns an account, or ErrUnknown.
func (s *Store) Get(username string) (*Account, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if a := s.byName[username]; a != nil {
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
	return eventlog.Change(ctx, s.log, func(ctx context.Context) (*Account, error) { return s.create(ctx, username, name, password) })
}

func (s *Store) create(ctx context.Context, username, name, password string) (*Account, error) {
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
	s.changing.Lock()
	defer s.changing.Unlock()
	if _, err := s.Get(username); err == nil {
		return nil, fmt.Errorf("%w: %q", ErrTaken, username)
	}
	if len(s.All()) >= maxAccounts {
		return nil, ErrTooMany
	}
	a := &Account{ID: rand.Text(), Username: username, Name: name, Active: true, Created: time.Now().UTC(), Hash: hash}
	return a, s.store(ctx, a, false)
}

// SetActive activates or deactivates an account. Only an active account may sign in.
func (s *Store) SetActive(ctx context.Context, username string, active bool) error {
	return eventlog.Changed(ctx, s.log, func(ctx context.Context) error { return s.setActive(ctx, username, active) })
}

func (s *Store) setActive(ctx context.Context, username string, active bool) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	old, err := s.Get(username)
	if err != nil {
		return err
	}
	a := *old
	a.Active = active
	if err := s.store(ctx, &a, true); err != nil {
		return err
	}
	if !active {
		s.notify(old)
	}
	return nil
}

func (s *Store) store(ctx context.Context, a *Account, fromReserve bool) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("storing account %q: %w", a.Username, err)
	}
	if err := s.put(ctx, eventlog.Row{Key: rowAccount + a.Username, Value: text}, fromReserve); err != nil {
		return fmt.Errorf("storing account %q: %w", a.Username, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byName[a.Username] = a
	return nil
}

func (s *Store) put(ctx context.Context, row eventlog.Row, fromReserve bool) error {
	_, err := s.log.Append(context.WithoutCancel(ctx), &eventlog.Request{Rows: []eventlog.Row{row}, FromReserve: fromReserve})
	return err
}

// Destroy deletes an account. A later account of the same name is a different one, without any rights of the first.
func (s *Store) Destroy(ctx context.Context, username string) error {
	return eventlog.Changed(ctx, s.log, func(ctx context.Context) error { return s.destroy(ctx, username) })
}

func (s *Store) destroy(ctx context.Context, username string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	a, err := s.Get(username)
	if err != nil {
		return err
	}
	if err := s.put(ctx, eventlog.Row{Key: rowAccount + username}, true); err != nil {
		return fmt.Errorf("destroying account %q: %w", username, err)
	}
	s.mu.Lock()
	delete(s.byName, username)
	s.mu.Unlock()
	s.notify(a)
	return nil
}

// Verify returns the account of a name and a password that come from an address. Its error is ErrUnknown if they are wrong
// or the account is not active, and a passwords.TriesError if too many tries were wrong.
func (s *Store) Verify(ctx context.Context, from, username, password string) (*Account, error) {
	hash := ""
	a, err := s.Get(username)
	if err == nil && a.Active { // the right password of an inactive account must count as wrong, or it could be found out
		hash = a.Hash
	}
	ok, err := s.checks.Verify(ctx, passwords.Attempt{From: from, Name: username, Password: password, Hash: hash})
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrUnknown
	}
	return a, nil
}
