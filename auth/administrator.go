package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"time"

	"sluice/auth/tries"
)

// Administrator checks ADMIN_KEY. All doors that accept the key share one Administrator, so that guesses are counted
// together.
type Administrator struct {
	set     bool
	strong  bool // as in Key
	hash    [sha256.Size]byte
	guesses *tries.Guard
}

// adminTries limits the wrong admin keys from one address, and allAdminTries those from all addresses together, so that
// a client with many addresses does not get more tries.
var (
	adminTries    = tries.Limit{Burst: 30, Every: 2 * time.Second}
	allAdminTries = tries.Limit{Burst: 1000, Every: time.Second}
)

// InvalidAdminKey is the code of a wrong admin key.
const InvalidAdminKey = "invalid_admin_key"

var errAdminKey = unauthorized(InvalidAdminKey, "this is not ADMIN_KEY")

// NewAdministrator returns the administrator with a key. With "", there is no administrator.
func NewAdministrator(key string) *Administrator {
	return &Administrator{set: key != "", strong: len(key) >= longKey, hash: sha256.Sum256([]byte(key)), guesses: tries.NewGuard(adminTries).InAll(allAdminTries)}
}

// Exists reports whether there is an administrator.
func (a *Administrator) Exists() bool { return a.set }

// Is reports whether a key from an address is the administrator's. It does not charge the address for a wrong key, and is
// for doors where the key may also be another credential.
func (a *Administrator) Is(from, key string) bool {
	return a.same(key) && a.wait(from) == 0
}

// wait returns how long the right key from an address must wait.
func (a *Administrator) wait(from string) time.Duration {
	if a.strong {
		return 0
	}
	return a.guesses.Right(from, a.hash)
}

// Check returns nil for the administrator's key, and charges the address for a wrong key. After too many wrong keys, the
// address gets a 429 even for the right key. The exceptions are a long key, and a key that has come from there before.
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

// same compares hashes, so that the time it takes reveals neither the key nor its length.
func (a *Administrator) same(key string) bool {
	hash := sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(hash[:], a.hash[:]) == 1 && a.set
}
