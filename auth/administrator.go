package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"sluice/auth/tries"
)

// Administrator knows ADMIN_KEY. All doors that take the key share one, so that guesses are counted together.
type Administrator struct {
	set     bool
	strong  bool // as of keys
	hash    [sha256.Size]byte
	guesses *tries.Guard
}

// adminTries is how many wrong admin keys may come from an address, and allAdminTries from all addresses together: who
// has many addresses has as few tries.
var (
	adminTries    = tries.Limit{Burst: 30, Every: 2 * time.Second}
	allAdminTries = tries.Limit{Burst: 1000, Every: time.Second}
)

// InvalidAdminKey is the code of a wrong admin key.
const InvalidAdminKey = "invalid_admin_key"

var errAdminKey = unauthorized(InvalidAdminKey, "this is not ADMIN_KEY")

// NewAdministrator makes the administrator of a key; "" is nobody's key.
func NewAdministrator(key string) *Administrator {
	return &Administrator{set: key != "", strong: len(key) >= longKey, hash: sha256.Sum256([]byte(key)), guesses: tries.NewGuard(adminTries).InAll(allAdminTries)}
}

// Exists reports whether there is an administrator.
func (a *Administrator) Exists() bool { return a.set }

// Is reports whether a key from an address is the administrator's, without charging the address. It is for doors where
// the key may be something else as well.
func (a *Administrator) Is(from, key string) bool {
	return a.same(key) && a.wait(from) == 0
}

// wait is how long the right key from an address has to wait.
func (a *Administrator) wait(from string) time.Duration {
	if a.strong {
		return 0
	}
	return a.guesses.Right(from, a.hash)
}

// Check returns nil where a key from an address is the administrator's, and charges the address where it is not. After
// too many wrong keys the address is refused with a 429, even with the right key, unless that has come from there before
// or is long.
func (a *Administrator) Check(from, key string) *Error {
	wait := time.Duration(0)
	if a.same(key) {
		if wait = a.wait(from); wait == 0 {
			return nil
		}
	} else if wait = a.guesses.Wrong(from); wait == 0 {
		return errAdminKey
	}
	return tooManyTries(wait)
}

// same compares hashes, so that the time it takes tells neither the content nor the length.
func (a *Administrator) same(key string) bool {
	hash := sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(hash[:], a.hash[:]) == 1 && a.set
}
