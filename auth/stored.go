package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/auth/user"
	"sluice/auth/version"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

// In addition to the keys of the settings, the store has the hashes of keys that are made while the gateway runs.

// KeyInfo describes a key, without its secret.
type KeyInfo struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Sub      []string   `json:"sub"`
	Pub      []string   `json:"pub"`
	Rest     []string   `json:"rest"`
	Origins  []string   `json:"origins"`
	Rate     float64    `json:"rate"`
	Frames   string     `json:"frames"`
	Expires  *time.Time `json:"expires"`
	Version  string     `json:"version,omitempty"`  // a new one after each change; "" if the key is read-only
	ReadOnly bool       `json:"readonly,omitempty"` // it is a key of the settings
}

// KeyChange has the new values of a key's fields. nil leaves a field unchanged.
type KeyChange struct {
	Name    *string
	Sub     *[]string
	Pub     *[]string
	Rest    *[]string
	Origins *[]string
	Rate    *float64
	Frames  *string
	Expires **time.Time

	Match version.Match // for UpdateKey: the version that the change is for
}

// Errors that callers compare with.
var (
	ErrNoKey       = errors.New("there is no such key")
	ErrReadOnly    = errors.New("this key is in the settings; change it there")
	ErrBadKey      = errors.New("the key is not valid")
	ErrTooManyKeys = errors.New("there are too many keys")
	ErrRevocation  = errors.New("give either jti or subject")
)

// maxStored is the largest number of keys in the store.
const maxStored = 100_000

const rowKey = rows.Key

// storedKey is a row of the store.
type storedKey struct {
	keySpec
	Created time.Time `json:"created"`
	Version string    `json:"version,omitempty"`
	Once    string    `json:"once,omitempty"` // the hash of the idempotency key of the request that made it
}

// keyStore has the stored keys, by id.
type keyStore struct {
	log      *eventlog.Log
	changing sync.Mutex // one change at a time, including its commit
	mu       sync.Mutex
	specs    map[string]storedKey
	made     []createdKey // answers to requests that made keys, oldest first; changing guards them
}

// openStore reads the keys, revocations and users of the log's store, where there is a log.
func (a *Authenticator) openStore(o Options) (err error) {
	if o.Log == nil {
		return nil
	}
	if a.keys.store, err = openKeyStore(o.Log); err != nil {
		return err
	}
	if a.keys.minters, err = openMinters(o.Log, o.Logger, o.Now); err != nil {
		return err
	}
	if err := a.revoked.open(o.Log); err != nil {
		return err
	}
	if a.users, err = user.Open(o.Log, o.Passwords, o.Now); err != nil {
		return err
	}
	if o.FirstKey != nil && a.StoredKeys() == 0 {
		a.keys.firstKey, err = o.FirstKey()
	}
	return err
}

func openKeyStore(log *eventlog.Log) (*keyStore, error) {
	s := &keyStore{log: log, specs: map[string]storedKey{}}
	err := log.Rows(rowKey, func(r eventlog.Row) error {
		var k storedKey
		if err := json.Unmarshal(r.Value, &k); err != nil {
			return fmt.Errorf("the row of key %q: %w", r.Key, err)
		}
		s.specs[strings.TrimPrefix(r.Key, rowKey)] = k
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading stored keys: %w", err)
	}
	return s, nil
}

// StoredKeys returns the number of keys in the store.
func (a *Authenticator) StoredKeys() int { return len(a.keys.store.all()) }

func (s *keyStore) all() map[string]storedKey {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := make(map[string]storedKey, len(s.specs))
	for id, k := range s.specs {
		copied[id] = k
	}
	return copied
}

// put stores a key, or deletes it if k is nil. was is the row whose version was compared; the commit fails if the row has
// changed since.
func (s *keyStore) put(ctx context.Context, id string, k *storedKey, was eventlog.Row) error {
	row := eventlog.Row{Key: rowKey + id}
	if k != nil {
		text, err := json.Marshal(k)
		if err != nil {
			return fmt.Errorf("storing a key: %w", err)
		}
		row.Value = text
	}
	s.mu.Lock()
	_, changes := s.specs[id]
	s.mu.Unlock()
	if _, err := s.log.Append(context.WithoutCancel(ctx), &eventlog.Request{Rows: []eventlog.Row{row}, If: []eventlog.Condition{eventlog.RowIs(was.Key, was.Value)}, FromReserve: changes}); err != nil {
		return fmt.Errorf("storing a key: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k == nil {
		delete(s.specs, id)
	} else {
		s.specs[id] = *k
	}
	return nil
}

// info describes the key, without its secret.
func (k *Key) info() KeyInfo {
	i := KeyInfo{
		ID: k.id, Name: k.Name, Sub: k.Sub.List(), Pub: k.Pub.List(), Rest: k.Rest.List(), Origins: append([]string{}, k.origins...),
		Rate: k.rate, Frames: k.frames, ReadOnly: !k.stored,
	}
	if !k.expires.IsZero() {
		i.Expires = &k.expires
	}
	if k.stored {
		i.Version = version.Of(*k.version.Load())
	}
	return i
}

// Keys returns all keys in force: those of the settings first, then those of the store, each sorted by name.
func (a *Authenticator) Keys() []KeyInfo {
	list := []KeyInfo{}
	for _, k := range *a.keys.current.Load() {
		list = append(list, k.info())
	}
	slices.SortFunc(list, func(x, y KeyInfo) int {
		if x.ReadOnly != y.ReadOnly {
			if x.ReadOnly {
				return -1
			}
			return 1
		}
		return strings.Compare(x.Name+x.ID, y.Name+y.ID)
	})
	return list
}

// Key describes the key with an id, or returns ErrNoKey.
func (a *Authenticator) Key(id string) (KeyInfo, error) {
	k := a.keys.byID(id)
	if k == nil {
		return KeyInfo{}, ErrNoKey
	}
	return k.info(), nil
}

// CreateKey makes a key. Only its result has the secret.
func (a *Authenticator) CreateKey(ctx context.Context, c KeyChange) (info KeyInfo, key string, err error) {
	m, err := eventlog.Change(ctx, a.keys.store.log, func(ctx context.Context) (m createdKey, err error) {
		a.keys.store.changing.Lock()
		defer a.keys.store.changing.Unlock()
		m.info, m.key, err = a.createKey(ctx, nil, c)
		return m, err
	})
	return m.info, m.key, err
}

// createKey makes a key. The caller holds changing.
func (a *Authenticator) createKey(ctx context.Context, once *Once, c KeyChange) (info KeyInfo, key string, err error) {
	if len(a.keys.store.all()) >= maxStored {
		return info, "", fmt.Errorf("%w: %d", ErrTooManyKeys, maxStored)
	}
	key = rand.Text()
	hash := sha256.Sum256([]byte(key))
	k := storedKey{keySpec: keySpec{SHA256: hex.EncodeToString(hash[:])}, Created: time.Now().UTC(), Once: once.name()}
	c.apply(&k.keySpec)
	id := strings.ToLower(rand.Text()[:12])
	if err := a.storeKey(ctx, id, &k, eventlog.Row{Key: rowKey + id}); err != nil {
		return info, "", err
	}
	info, err = a.Key(id)
	return info, key, err
}

// storeKey checks a key, stores it with a new version and puts it in force.
func (a *Authenticator) storeKey(ctx context.Context, id string, k *storedKey, was eventlog.Row) error {
	if k.Name == "" || len(k.Name) > 256 {
		return fmt.Errorf("%w: it needs a name of 1 to 256 bytes", ErrBadKey)
	}
	if _, err := k.key(a.keys.defaultRate); err != nil {
		return fmt.Errorf("%w: it %w", ErrBadKey, err)
	}
	if err := k.checkOrigins(); err != nil {
		return fmt.Errorf("%w: it %w", ErrBadKey, err)
	}
	k.Version = version.New()
	if err := a.keys.store.put(ctx, id, k, was); err != nil {
		return err
	}
	return a.keys.useStored()
}

// changeable reads a key that can be changed. It returns its row too, so that the commit can depend on it.
func (a *Authenticator) changeable(id string) (k storedKey, row eventlog.Row, err error) {
	row.Key = rowKey + id
	row.Value, err = a.keys.store.log.Row(row.Key)
	switch {
	case err != nil:
		return k, row, fmt.Errorf("reading a key: %w", err)
	case row.Value != nil:
		if err := json.Unmarshal(row.Value, &k); err != nil {
			return k, row, fmt.Errorf("reading a key: %w", err)
		}
		return k, row, nil
	case a.keys.byID(id) != nil:
		return k, row, ErrReadOnly
	}
	return k, row, ErrNoKey
}

// checkVersion returns an error if a change is not meant for the current version of a key.
func (a *Authenticator) checkVersion(id string, k *storedKey, match version.Match) error {
	info, err := a.Key(id)
	if err != nil {
		return err
	}
	return version.Check(match, version.Of(k.Version), info)
}

// UpdateKey changes a key. The streams and sockets that were opened with it end, so that their clients connect again with
// the new grant.
func (a *Authenticator) UpdateKey(ctx context.Context, id string, c KeyChange) (KeyInfo, error) {
	return eventlog.Change(ctx, a.keys.store.log, func(ctx context.Context) (KeyInfo, error) { return a.updateKey(ctx, id, c) })
}

func (a *Authenticator) updateKey(ctx context.Context, id string, c KeyChange) (KeyInfo, error) {
	a.keys.store.changing.Lock()
	defer a.keys.store.changing.Unlock()
	k, was, err := a.changeable(id)
	if err != nil {
		return KeyInfo{}, err
	}
	if err := a.checkVersion(id, &k, c.Match); err != nil {
		return KeyInfo{}, err
	}
	c.apply(&k.keySpec)
	if err := a.storeKey(ctx, id, &k, was); err != nil {
		return KeyInfo{}, err
	}
	return a.Key(id)
}

// DeleteKey removes and revokes a key.
func (a *Authenticator) DeleteKey(ctx context.Context, id string) error {
	return a.DeleteKeyIf(ctx, id, nil)
}

// DeleteKeyIf is DeleteKey for a key of the given version.
func (a *Authenticator) DeleteKeyIf(ctx context.Context, id string, match version.Match) error {
	return eventlog.Changed(ctx, a.keys.store.log, func(ctx context.Context) error { return a.deleteKey(ctx, id, match) })
}

func (a *Authenticator) deleteKey(ctx context.Context, id string, match version.Match) error {
	a.keys.store.changing.Lock()
	defer a.keys.store.changing.Unlock()
	k, was, err := a.changeable(id)
	if err != nil {
		return err
	}
	if err := a.checkVersion(id, &k, match); err != nil {
		return err
	}
	if err := a.keys.store.put(ctx, id, nil, was); err != nil {
		return err
	}
	return a.keys.useStored()
}

func (c *KeyChange) apply(s *keySpec) {
	set(&s.Name, c.Name)
	set(&s.Sub, c.Sub)
	set(&s.Pub, c.Pub)
	set(&s.Rest, c.Rest)
	set(&s.Origins, c.Origins)
	set(&s.Rate, c.Rate)
	set(&s.Frames, c.Frames)
	set(&s.Expires, c.Expires)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
