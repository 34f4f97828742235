package streams

import "fmt"

// Role is what an account may do in a database. Each role includes the ones before it.
type Role int

// The roles.
const (
	None   Role = iota
	Reader      // reads
	Member      // appends, annotates
	Admin       // creates, renames and destroys within the database
	Owner       // destroys the database, and grants
)

var roleNames = [...]string{"none", "reader", "member", "admin", "owner"}

func (r Role) String() string { return roleNames[r] }

// ParseRole reads a role's name.
func ParseRole(name string) (Role, error) {
	for r := Reader; r <= Owner; r++ {
		if roleNames[r] == name {
			return r, nil
		}
	}
	return None, fmt.Errorf("%w: %q is not one of reader, member, admin and owner", ErrRole, name)
}

// MarshalText returns the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a role's name.
func (r *Role) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRole(string(text))
	return err
}
