package user

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/auth/version"
)

// Errors that callers compare with.
var (
	ErrUnknown  = errors.New("there is no such user")
	ErrTaken    = errors.New("a user already has this email")
	ErrInvalid  = errors.New("the user is not valid")
	ErrTooMany  = errors.New("there are too many users")
	ErrBadLogin = errors.New("the email or the password is wrong, or the session has ended; sign in again")

	// ErrUsed means that a refresh token was used a second time. It is an ErrBadLogin with the same text, so that the
	// client cannot see the difference.
	ErrUsed = fmt.Errorf("%w", ErrBadLogin)
)

// User is a user. Its JSON has only what answers may show.
type User struct {
	Email string `json:"email"`
	grant.Lists
	Active  bool      `json:"active"`
	Created time.Time `json:"created"`

	ID      string      `json:"-"` // never used again, even for a user with the same email
	Version string      `json:"-"` // a new one after each change
	Life    *grant.Life `json:"-"` // ends when the user is removed or changed
	hash    string
}

// Revision returns the version that administrators see. It is a hash, because Version is in access tokens.
func (u *User) Revision() string {
	sum := sha256.Sum256([]byte("revision\x00" + u.ID + u.Version))
	return hex.EncodeToString(sum[:12])
}

// Change has the new values of a user's fields. nil leaves a field unchanged.
type Change struct {
	Password       *string
	Sub, Pub, Rest *[]string
	Active         *bool

	Match version.Match // for Store.Change: the revision that the change is for
}

// maxEmail is the longest email address, in bytes. RFC 5321 section 4.5.3.1.3 allows less.
const maxEmail = 256

// minPassword is the shortest password, in bytes: shorter ones are guessed first.
const minPassword = 8

// normal returns the form of an email address that is stored and compared. In theory, case matters before the @. In
// practice it does not, and people write their own address in several ways.
func normal(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func checkEmail(email string) error {
	if len(email) > maxEmail { // before it is parsed, which can take long
		return fmt.Errorf("%w: the email has more than %d bytes", ErrInvalid, maxEmail)
	}
	at, err := mail.ParseAddress(email)
	switch {
	case err != nil || at.Address != email || strings.ContainsAny(email, `/?#%"\`) || strings.ContainsFunc(email, unprintable):
		return fmt.Errorf("%w: the email must be like ann@example.org, without spaces, quotes or any of / ? # %%", ErrInvalid)
	}
	return nil
}

func unprintable(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }

func checkPassword(password string) error {
	if len(password) < minPassword || len(password) > passwords.Max {
		return fmt.Errorf("%w: the password must have %d to %d bytes", ErrInvalid, minPassword, passwords.Max)
	}
	return nil
}

// record is a user's row.
type record struct {
	User
	ID      string `json:"id"`
	Version string `json:"version"`
	Hash    string `json:"hash"`
}

// user makes a user from the row.
func (r *record) user() *User {
	u := r.User
	u.ID, u.Version, u.hash, u.Life = r.ID, r.Version, r.Hash, grant.NewLife()
	return &u
}

func (u *User) record() *record { return &record{*u, u.ID, u.Version, u.hash} }

// same reports whether two users differ in neither password, grant nor Active.
func (u *User) same(o *User) bool {
	return u.hash == o.hash && u.Active == o.Active &&
		slices.Equal(u.Sub, o.Sub) && slices.Equal(u.Pub, o.Pub) && slices.Equal(u.Rest, o.Rest)
}

// apply returns the user with a change; it stores nothing. hash is the hash of the change's new password.
func (u *User) apply(c *Change, hash string) (*User, error) {
	next := *u
	for _, side := range []struct {
		to   *[]string
		from *[]string
	}{{&next.Sub, c.Sub}, {&next.Pub, c.Pub}, {&next.Rest, c.Rest}} {
		if side.from != nil {
			*side.to = *side.from
		}
	}
	sets, err := next.Parse()
	if err != nil {
		return nil, fmt.Errorf("%w: it %w", ErrInvalid, err)
	}
	next.Lists = sets.Lists()
	if c.Active != nil {
		next.Active = *c.Active
	}
	if hash != "" {
		next.hash = hash
	}
	return &next, nil
}
