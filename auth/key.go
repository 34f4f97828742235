package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sluice/auth/grant"
	"sluice/auth/peer"
)

// keySpec is a key in the JSON of the settings and of the store.
type keySpec struct {
	Name    string     `json:"name"`
	Key     string     `json:"key"`
	SHA256  string     `json:"sha256"`
	Sub     []string   `json:"sub"`
	Pub     []string   `json:"pub"`
	Rest    []string   `json:"rest,omitempty"`
	Origins []string   `json:"origins"`
	Rate    float64    `json:"rate"`
	Frames  string     `json:"frames"`
	Expires *time.Time `json:"expires"`
}

// Key is an API key. Nothing changes it: a change in the settings or the store makes a new Key, and ends this one's life.
type Key struct {
	Name   string
	id     string // stays the same through all changes
	stored bool   // in the store, not in the settings
	first  bool   // the key of the first start
	strong bool   // cannot be guessed: the gateway made it, or it is long
	hash   [sha256.Size]byte
	grant.Sets
	origins []string
	rate    float64
	frames  string
	expires time.Time
	warning string
	limiter *limiter

	identity atomic.Pointer[Identity] // made when the key is first used
	version  atomic.Pointer[string]   // of a stored key: a new one after each change, even if the grant stays the same

	life *grant.Life // ends when the key is removed or changed
}

// Why an identity ends.
const (
	Revoked = grant.Revoked
	Changed = grant.Changed
)

func (k *Key) expired(now func() time.Time) bool {
	return !k.expires.IsZero() && !now().Before(k.expires)
}

// same reports whether two keys differ in nothing but their versions.
func (k *Key) same(o *Key) bool {
	return k.Name == o.Name && k.id == o.id && k.stored == o.stored && k.rate == o.rate && k.frames == o.frames && k.expires.Equal(o.expires) &&
		k.Sets.Same(o.Sets) && reflect.DeepEqual(k.origins, o.origins)
}

// parseKeys reads a JSON list of keys. Its error has all faults, and contains no key.
func parseKeys(text []byte, defaultRate float64) ([]*Key, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var specs []keySpec
	if err := d.Decode(&specs); err != nil {
		return nil, fmt.Errorf("must be a JSON list of keys, such as [{\"name\":\"web\",\"key\":\"…\",\"sub\":[\"PUT:customer\"]}]: %w", withoutText(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("must be one JSON list, with nothing after it")
	}
	var keys []*Key
	var faults []error
	seen := map[[sha256.Size]byte]bool{}
	for i, s := range specs {
		k, err := s.key(defaultRate)
		if err == nil {
			err = s.checkOrigins()
		}
		if err == nil && seen[k.hash] {
			err = errors.New("has the same key as an entry before it")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("key %d (%q) %w", i, s.Name, err))
			continue
		}
		seen[k.hash] = true
		keys = append(keys, k)
	}
	return keys, errors.Join(faults...)
}

// withoutText describes a JSON error without quoting the text, which may contain a key.
func withoutText(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("syntax error at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("field %q at byte %d has the wrong type", kind.Field, kind.Offset)
	case strings.Contains(err.Error(), "unknown field"):
		return errors.New("it has an unknown field; known are name, key, sha256, sub, pub, rest, origins, rate, frames and expires")
	}
	return errors.New("a value cannot be read (is expires an RFC 3339 time?)")
}

// Lengths of keys that people choose, in bytes.
const (
	shortKey = 16 // a shorter key can be guessed, given time
	longKey  = 32 // a key of this length cannot
)

func (s *keySpec) key(defaultRate float64) (*Key, error) {
	k := &Key{Name: s.Name, origins: normalOrigins(s.Origins), rate: s.Rate, frames: s.Frames}
	if err := s.hash(k); err != nil {
		return nil, err
	}
	var err error
	if k.Sets, err = (&grant.Lists{Sub: s.Sub, Pub: s.Pub, Rest: s.Rest}).Parse(); err != nil {
		return nil, err
	}
	switch {
	case s.Frames != "" && s.Frames != "name" && s.Frames != "publish":
		return nil, errors.New("has a value of frames other than name and publish")
	case s.Rate < 0:
		return nil, errors.New("has a negative rate")
	}
	if s.Expires != nil {
		k.expires = *s.Expires
	}
	if k.rate == 0 {
		k.rate = defaultRate
	}
	k.limiter = newLimiter(k.rate)
	k.life = grant.NewLife()
	return k, nil
}

// checkOrigins refuses origins that no browser sends. Keys from an earlier version of the gateway may have such origins;
// they never match.
func (s *keySpec) checkOrigins() error {
	for i, o := range s.Origins {
		if _, err := peer.Origin(o); err != nil {
			return fmt.Errorf("has an origin, number %d, that %w", i+1, err)
		}
	}
	return nil
}

// normalOrigins returns origins in the form that browsers send. A text that is no origin stays unchanged.
func normalOrigins(origins []string) []string {
	normal := slices.Clone(origins)
	for i, o := range normal {
		if known, err := peer.Origin(o); err == nil {
			normal[i] = known
		}
	}
	return normal
}

func (s *keySpec) hash(k *Key) error {
	switch {
	case s.Key != "" && s.SHA256 != "":
		return errors.New("has both key and sha256; remove one")
	case s.SHA256 != "":
		b, err := hex.DecodeString(s.SHA256)
		if err != nil || len(b) != sha256.Size {
			return errors.New("has a sha256 that is not 64 hexadecimal digits")
		}
		k.hash = [sha256.Size]byte(b)
		return nil
	case !visible(s.Key):
		return errors.New("needs a key of 1 to 256 visible ASCII characters, or its sha256")
	}
	if len(s.Key) < shortKey {
		k.warning = fmt.Sprintf("the key named %q has fewer than %d characters and can be guessed; make a longer one", s.Name, shortKey)
	}
	k.strong = len(s.Key) >= longKey
	k.hash = sha256.Sum256([]byte(s.Key))
	return nil
}

func visible(s string) bool {
	if len(s) < 1 || len(s) > 256 {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
