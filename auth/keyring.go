package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"sluice/auth/grant"
	"sluice/config/filewatch"
)

// keyring has the keys in force: those of API_KEYS, of API_KEYS_FILE and of the store, and the key that the gateway made
// at its first start.
type keyring struct {
	inline      string // API_KEYS
	file        filewatch.File
	firstKey    string // the key of the first start
	store       *keyStore
	minters     *minters // nil without a store
	defaultRate float64
	logger      *slog.Logger
	naming      []byte // the secret from which idOf makes ids
	named       bool   // naming is the gateway's secret; before that, it is random

	current atomic.Pointer[map[[sha256.Size]byte]*Key]

	mu     sync.Mutex // one load at a time
	loaded bool       // load was called
	good   []byte     // the last text of the file that could be used
	over   string     // the id of the key whose life ends although it stays
}

// newKeyring makes one without keys; load reads them. Without a secret of the gateway, ids are others at each start, and
// the store does not note whose they are.
func newKeyring(o Options) *keyring {
	r := &keyring{inline: o.APIKeys, file: filewatch.File{Name: o.APIKeysFile}, defaultRate: o.PublishRate, logger: o.Logger}
	if r.named = o.TokenSecret != ""; r.named {
		r.naming = derive(o.TokenSecret, "sluice: ids of keys")
	} else {
		r.naming = randomSecret()
	}
	return r
}

// find looks up a key by its hash. The time that the map takes can reveal at most bits of a hash, which reveal
// nothing about the key. The comparison takes constant time.
func (r *keyring) find(value string) *Key {
	hash := sha256.Sum256([]byte(value))
	k := (*r.current.Load())[hash]
	if k == nil || subtle.ConstantTimeCompare(k.hash[:], hash[:]) != 1 {
		return nil
	}
	return k
}

// load reads all sources. After an error, the keys in force stay.
func (r *keyring) load() error {
	err := r.read()
	if err == nil {
		r.storeMinters()
	}
	return err
}

func (r *keyring) read() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded = true
	if r.file.Name == "" {
		return r.use(nil)
	}
	text, err := r.file.Read()
	if err != nil {
		return &SettingError{"API_KEYS_FILE", fmt.Errorf("cannot be read: %w", err)}
	}
	if err := r.use(text); err != nil {
		return err
	}
	r.good = text
	return nil
}

// useStored puts the keys that the store has now in force. It uses the last good text of the file: a broken file must not
// prevent the revocation of a stored key.
func (r *keyring) useStored() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded {
		return nil // load will read them
	}
	return r.use(r.good)
}

// renew ends the life of a key of the settings, and begins another one: another gateway has removed the key, so earlier
// tokens of it are void.
func (r *keyring) renew(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.loaded {
		return // there are no tokens yet
	}
	r.over = id
	defer func() { r.over = "" }()
	if err := r.use(r.good); err != nil {
		r.logger.Error("a removal of a key by another gateway cannot be put in force", "cause", err)
	}
}

// use puts the keys of all sources in force. text has those of the file.
func (r *keyring) use(text []byte) error {
	keys, err := r.parse(text)
	if err != nil {
		return err
	}
	next := make(map[[sha256.Size]byte]*Key, len(keys))
	for _, k := range keys {
		if next[k.hash] != nil && k.stored {
			continue // the settings win
		}
		if next[k.hash] != nil {
			return fmt.Errorf("the key named %q is configured twice", k.Name)
		}
		next[k.hash] = k
	}
	r.swap(next)
	return nil
}

func (r *keyring) parse(text []byte) ([]*Key, error) {
	var keys []*Key
	if r.inline != "" {
		some, err := parseKeys([]byte(r.inline), r.defaultRate)
		if err != nil {
			return nil, &SettingError{"API_KEYS", err}
		}
		keys = some
	}
	if r.file.Name != "" {
		some, err := parseKeys(text, r.defaultRate)
		if err != nil {
			return nil, &SettingError{"API_KEYS_FILE", err}
		}
		keys = append(keys, some...)
	}
	if r.firstKey != "" {
		spec := keySpec{Name: "first-key", Key: r.firstKey, Sub: []string{"*"}, Pub: []string{"*"}, Rest: []string{"*"}}
		k, err := spec.key(r.defaultRate)
		if err != nil {
			return nil, fmt.Errorf("the key of the first start %w", err)
		}
		k.strong, k.first = true, true
		keys = append(keys, k)
	}
	for _, k := range keys {
		k.id = r.idOf(k)
	}
	for id, stored := range r.store.all() {
		k, err := stored.inForce(id, r.defaultRate)
		if err != nil {
			return nil, fmt.Errorf("the stored key named %q %w", stored.Name, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// idOf makes the id of a key of the settings. The id is in tokens that pages have, so it must not help to test guesses of
// the key. Therefore it is a MAC with a secret that only the gateway has. It is the same after a restart.
func (r *keyring) idOf(k *Key) string {
	mac := hmac.New(sha256.New, r.naming)
	mac.Write(k.hash[:])
	return "s-" + hex.EncodeToString(mac.Sum(nil)[:12])
}

// storeMinters stores which keys the settings have now. Call it without mu: it waits for the log.
func (r *keyring) storeMinters() {
	if r.minters != nil && r.named {
		r.minters.store()
	}
}

// ofSettings returns the ids of the keys that the settings have now.
func (r *keyring) ofSettings() map[string]bool {
	ids := map[string]bool{}
	for _, k := range *r.current.Load() {
		if !k.stored {
			ids[k.id] = true
		}
	}
	return ids
}

// byID finds a key in force.
func (r *keyring) byID(id string) *Key {
	for _, k := range *r.current.Load() {
		if k.id == id {
			return k
		}
	}
	return nil
}

// isFirst reports whether an id is that of the key of the first start.
func (r *keyring) isFirst(id string) bool {
	k := r.byID(id)
	return k != nil && k.first
}

// SettingError is a fault in a setting that auth reads.
type SettingError struct {
	Name string
	Err  error
}

func (e *SettingError) Error() string { return e.Name + ": " + e.Err.Error() }

func (e *SettingError) Unwrap() error { return e.Err }

// swap puts keys in force. A key that did not change keeps its old Key: its streams go on, and its publish rate does not
// start again at its full burst.
func (r *keyring) swap(next map[[sha256.Size]byte]*Key) {
	var old map[[sha256.Size]byte]*Key
	if p := r.current.Load(); p != nil {
		old = *p
	}
	for hash, k := range next {
		if before := old[hash]; before != nil && before.same(k) && k.id != r.over {
			before.version.Store(k.version.Load())
			next[hash] = before
		} else if k.warning != "" {
			r.logger.Warn(k.warning)
		}
	}
	// First the new keys, then the ends of the old ones: a client that comes back after such an end must get the new grant.
	r.current.Store(&next)
	for hash, k := range old {
		switch now := next[hash]; now {
		case k:
		case nil:
			k.life.End(grant.Revoked)
		default:
			k.life.End(grant.Changed)
		}
	}
	if r.minters != nil && r.named {
		r.minters.note(r.ofSettings()) // last: see there
	}
}

func (r *keyring) reload() error {
	err := r.load()
	if err != nil {
		var setting *SettingError
		if errors.As(err, &setting) {
			err = fmt.Errorf("%w; the last good keys stay in force", err)
		}
		r.logger.Error("the API keys changed, but cannot be used", "cause", err)
		return err
	}
	r.logger.Info("keys loaded", "keys", len(*r.current.Load()))
	return nil
}
