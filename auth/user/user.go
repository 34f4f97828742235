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

// What callers may decide on.
var (
	ErrUnknown  = errors.New("there is no such user")
	ErrTaken    = errors.New("there is a user with this email already")
	ErrInvalid  = errors.New("the user cannot be so")
	ErrTooMany  = errors.New("there are too many users")
	ErrBadLogin = errors.New("the email or the password is wrong, or the session has ended; sign in again")

	// ErrUsed is an ErrBadLogin, and says no more to the client: a refresh token was presented a second time.
	ErrUsed = fmt.Errorf("%w", ErrBadLogin)
)

// User is one of the store's. As JSON it is what may be told of a user.
type User struct {
	Email string `json:"email"`
	grant.Lists
	Active  bool      `json:"active"`
	Created time.Time `json:"created"`

	ID      string      `json:"-"` // another of the same email has another
	Version string      `json:"-"` // a new one after each change
	Life    *grant.Life `json:"-"` // ends when the user is removed or changed
	hash    string
}

// Revision is the version that administrators see, in place of the one that is in access tokens.
func (u *User) Revision() string {
	sum := sha256.Sum256([]byte("revision\x00" + u.ID + u.Version))
	return hex.EncodeToString(sum[:12])
}

// Change says what of a user is to be changed; nil fields stay.
type Change struct {
	Password       *string
	Sub, Pub, Rest *[]string
	Active         *bool

	Match version.Match // of Store.Change: which revision it is meant for
}

// maxEmail is the longest address that mail can have (RFC 5321 4.5.3.1.3), and more.
const maxEmail = 256

// minPassword keeps out what is guessed first.
const minPassword = 8

// normal is how an address is kept and looked for. Before the @ case could count; in practice it does not, and people
// write their own in both ways.
func normal(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func checkEmail(email string) error {
	if len(email) > maxEmail { // before it is read, which can take long
		return fmt.Errorf("%w: the email has more than %d bytes", ErrInvalid, maxEmail)
	}
	at, err := mail.ParseAddress(email)
	switch {
	case err != nil || at.Address != email || strings.ContainsAny(email, `/?#%"\`) || strings.ContainsFunc(email, unprintable):
		return fmt.Errorf("%w: the email must be like ann@example.org, without blanks, quotes or any of / ? # %%", ErrInvalid)
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

// user brings what is stored to life.
func (r *record) user() *User {
	u := r.User
	u.ID, u.Version, u.hash, u.Life = r.ID, r.Version, r.Hash, grant.NewLife()
	return &u
}

func (u *User) record() *record { return &record{*u, u.ID, u.Version, u.hash} }

// same says whether both sign in with the same and may do the same.
func (u *User) same(o *User) bool {
	return u.hash == o.hash && u.Active == o.Active &&
		slices.Equal(u.Sub, o.Sub) && slices.Equal(u.Pub, o.Pub) && slices.Equal(u.Rest, o.Rest)
}

// apply gives the user as changed, which is not in force; hash is that of the change's password.
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
