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
	ReadOnly bool       `json:"readonly,omitempty"` // it is a key of the settings, or of the first start
	First    bool       `json:"first,omitempty"`    // it is the key of the first start
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
	ErrFirstKey    = errors.New("this is the key of the first start; to end it, set API_KEYS, or delete its file in DATA_DIR, and start the gateway again")
	ErrBadKey      = errors.New("the key is not valid")
	ErrTooManyKeys = errors.New("there are too many keys")
	ErrRevocation  = errors.New("give either jti or subject")
)

// maxStored is the largest number of keys in the store.
const maxStored = 100_000

// openStore reads the keys, revocations and users of the log's store, where there is a log.
func (a *Authenticator) openStore(o Options) (err error) {
	if o.Log == nil {
		return nil
	}
	if a.keys.store, err = openKeyStore(o.Log, a.keys); err != nil {
		return err
	}
	if a.keys.minters, err = openMinters(o.Log, o.Logger, o.Now, a.keys.renew); err != nil {
		return err
	}
	if err := a.revoked.open(o.Log); err != nil {
		return err
	}
	if a.users, err = user.Open(o.Log, o.Passwords, o.Now); err != nil {
		return err
	}
	a.keys.firstKey = o.KeptKey
	if o.KeptKey == "" && o.FirstKey != nil && a.StoredKeys() == 0 {
		a.keys.firstKey, err = o.FirstKey()
	}
	return err
}

// StoredKeys returns the number of keys in the store.
func (a *Authenticator) StoredKeys() int { return a.keys.store.count() }

// info describes the key, without its secret.
func (k *Key) info() KeyInfo {
	i := KeyInfo{
		ID: k.id, Name: k.Name, Sub: k.Sub.List(), Pub: k.Pub.List(), Rest: k.Rest.List(), Origins: append([]string{}, k.origins...),
		Rate: k.rate, Frames: k.frames, ReadOnly: !k.stored, First: k.first,
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
func (a *Authenticator) Key(ctx context.Context, id string) (KeyInfo, error) {
	k, err := a.findKey(ctx, id)
	if err != nil {
		return KeyInfo{}, err
	}
	return k.info(), nil
}

func (a *Authenticator) findKey(ctx context.Context, id string) (k *Key, err error) {
	err = a.again(ctx, func() bool {
		k = a.keys.byID(id)
		return k != nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for a key: %w", err)
	}
	if k == nil {
		return nil, ErrNoKey
	}
	return k, nil
}

// CreateKey makes a key. Only its result has the secret.
func (a *Authenticator) CreateKey(ctx context.Context, c KeyChange) (info KeyInfo, key string, err error) {
	m, err := a.createKey(ctx, nil, c, nil)
	return m.info, m.key, err
}

// createKey makes a key. If the request may be repeated, was is the value of the row of its idempotency key, which the
// commit depends on.
func (a *Authenticator) createKey(ctx context.Context, once *Once, c KeyChange, was []byte) (m createdKey, err error) {
	s := a.keys.store
	if s.count() >= maxStored {
		return m, fmt.Errorf("%w: %d", ErrTooManyKeys, maxStored)
	}
	m.key = rand.Text()
	hash := sha256.Sum256([]byte(m.key))
	k := storedKey{keySpec: keySpec{SHA256: hex.EncodeToString(hash[:])}, Created: time.Now().UTC(), Once: once.name()}
	c.apply(&k.keySpec)
	id := strings.ToLower(rand.Text()[:12])
	r := &eventlog.Request{}
	if once != nil {
		row := eventlog.Row{Key: rowOnce + once.name(), Value: []byte(id)}
		r.Rows, r.If = append(r.Rows, row), append(r.If, eventlog.RowIs(row.Key, was))
	}
	if m.info, err = a.prepareKey(r, id, &k, nil); err != nil {
		return m, err
	}
	if once != nil {
		m.once, m.body, m.at = once.name(), once.Body, a.now()
		s.remember(m) // before the commit: if its outcome is unknown, a repeat may find that the key was made
	}
	if err = a.commitKey(ctx, r); err != nil && once != nil && !errors.Is(err, eventlog.ErrUnknown) {
		s.unmade(id)
	}
	return m, err
}

// prepareKey checks a key, gives it a new version and adds it to a request. was is the value of its row that the change was
// made from.
func (a *Authenticator) prepareKey(r *eventlog.Request, id string, k *storedKey, was []byte) (KeyInfo, error) {
	if k.Name == "" || len(k.Name) > 256 {
		return KeyInfo{}, fmt.Errorf("%w: it needs a name of 1 to 256 bytes", ErrBadKey)
	}
	k.Version = version.New()
	of, err := k.inForce(id, a.keys.defaultRate)
	if err == nil {
		err = k.checkOrigins()
	}
	if err != nil {
		return KeyInfo{}, fmt.Errorf("%w: it %w", ErrBadKey, err)
	}
	row := eventlog.Row{Key: rowKey + id}
	if row.Value, err = rows.Update(was, k); err != nil {
		return KeyInfo{}, fmt.Errorf("storing a key: %w", err)
	}
	r.Rows, r.If, r.FromReserve = append(r.Rows, row), append(r.If, eventlog.RowIs(row.Key, was)), was != nil
	return of.info(), nil
}

// commitKey stores a change of a key, and waits until it is in force here.
func (a *Authenticator) commitKey(ctx context.Context, r *eventlog.Request) error {
	s := a.keys.store
	if _, err := s.log.Append(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("storing a key: %w", err)
	}
	s.effects.Wait()
	a.keys.storeMinters() // it tries again what could not be stored
	return nil
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
	case a.keys.isFirst(id):
		return k, row, ErrFirstKey
	case a.keys.byID(id) != nil:
		return k, row, ErrReadOnly
	}
	return k, row, ErrNoKey
}

// checkVersion returns an error if a change is not meant for the current version of a key.
func (a *Authenticator) checkVersion(id string, k *storedKey, match version.Match) error {
	now, err := k.inForce(id, a.keys.defaultRate)
	if err != nil {
		return fmt.Errorf("the stored key named %q %w", k.Name, err)
	}
	return version.Check(match, version.Of(k.Version), now.info())
}

// UpdateKey changes a key. The streams and sockets that were opened with it end, so that their clients connect again with
// the new grant.
func (a *Authenticator) UpdateKey(ctx context.Context, id string, c KeyChange) (info KeyInfo, err error) {
	err = a.keys.store.log.Retry(ctx, func() error {
		k, was, err := a.changeable(id)
		if err != nil {
			return err
		}
		if err := a.checkVersion(id, &k, c.Match); err != nil {
			return err
		}
		c.apply(&k.keySpec)
		r := &eventlog.Request{}
		if info, err = a.prepareKey(r, id, &k, was.Value); err != nil {
			return err
		}
		return a.commitKey(ctx, r)
	})
	if err != nil {
		return KeyInfo{}, err
	}
	return info, nil
}

// DeleteKey removes and revokes a key.
func (a *Authenticator) DeleteKey(ctx context.Context, id string) error {
	return a.DeleteKeyIf(ctx, id, nil)
}

// DeleteKeyIf is DeleteKey for a key of the given version.
func (a *Authenticator) DeleteKeyIf(ctx context.Context, id string, match version.Match) error {
	return a.keys.store.log.Retry(ctx, func() error {
		k, was, err := a.changeable(id)
		if err != nil {
			return err
		}
		if err := a.checkVersion(id, &k, match); err != nil {
			return err
		}
		r := &eventlog.Request{Rows: []eventlog.Row{{Key: was.Key}}, If: []eventlog.Condition{eventlog.RowIs(was.Key, was.Value)}}
		if k.Once != "" {
			r.Rows = append(r.Rows, eventlog.Row{Key: rowOnce + k.Once})
		}
		return a.commitKey(ctx, r)
	})
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
