package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"sluice/auth/grant"
	"sluice/auth/user"
)

// User manages the users of a running gateway.
type User struct {
	Add      UserAdd      `cmd:"" help:"Add a user; the password is asked for, or read from standard input."`
	List     UserList     `cmd:"" help:"List the users and what they may do."`
	Password UserPassword `cmd:"" help:"Give a user another password; all sessions end."`
	Remove   UserRemove   `cmd:"" help:"Remove a user; all sessions end."`
}

// Help is shown by sluice user --help.
func (*User) Help() string {
	return "Users sign in with email and password, and get a token that works wherever a key does.\n\nExample:\n\n" +
		"  export ADMIN_KEY=…\n" +
		"  sluice user add ann@example.org --rest 'GET:*,POST:messages' --sub '*:messages'\n" +
		"  echo \"$PASSWORD\" | sluice user password ann@example.org\n" +
		"  sluice user list\n" +
		"  sluice user remove ann@example.org"
}

// userAccess is how all commands about users reach the gateway.
type userAccess struct {
	adminAPI
}

// usersTimeout bounds the wait for an answer: the gateway may have to hash a few other passwords first.
const usersTimeout = 30 * time.Second

// call sends a request about all users, or about one user if email is set.
func (a *userAccess) call(method, email string, body, to any) error {
	base, err := a.base("")
	if err != nil {
		return err
	}
	path := "/admin/users"
	if email != "" {
		path += "/" + url.PathEscape(strings.TrimSpace(email))
	}
	return a.adminAPI.call(base, method, path, body, to, usersTimeout)
}

// UserAdd makes a user.
type UserAdd struct {
	userAccess
	Sub   []string `placeholder:"PATTERN" help:"Channels the user may subscribe to."`
	Pub   []string `placeholder:"PATTERN" help:"Channels the user may publish to."`
	Rest  []string `placeholder:"PATTERN" help:"Documents the user may read and write, as GET:customer or POST:*."`
	Email string   `arg:"" help:"The user's email."`
}

// Run asks for the password and makes the user.
func (c *UserAdd) Run(std *Streams) error {
	granted := grant.Lists{Sub: c.Sub, Pub: c.Pub, Rest: c.Rest}
	if err := granted.Check(); err != nil {
		return usageError{fmt.Errorf("the user %w", err)}
	}
	password, err := readPassword(std)
	if err != nil {
		return err
	}
	var made user.User
	err = c.call(http.MethodPost, "", struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		grant.Lists
	}{c.Email, password, granted.Whole()}, &made)
	if err != nil {
		return err
	}
	if granted.Size() == 0 {
		fmt.Fprintln(std.Err, "sluice: the user may do nothing yet; remove it and add it with --sub, --pub or --rest, or PATCH /admin/users/EMAIL")
	}
	_, err = fmt.Fprintln(std.Out, made.Email)
	return err
}

// UserList lists all users.
type UserList struct {
	userAccess
}

// Run prints a table, one user a line.
func (c *UserList) Run(std *Streams) error {
	var users []user.User
	if err := c.call(http.MethodGet, "", nil, &users); err != nil {
		return err
	}
	table := tabwriter.NewWriter(std.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "EMAIL\tACTIVE\tSUB\tPUB\tREST")
	for _, u := range users {
		active := "yes"
		if !u.Active {
			active = "no"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", u.Email, active, listed(u.Sub), listed(u.Pub), listed(u.Rest))
	}
	return table.Flush()
}

func listed(patterns []string) string {
	if len(patterns) == 0 {
		return "-"
	}
	return strings.Join(patterns, ",")
}

// UserPassword changes a password.
type UserPassword struct {
	userAccess
	Email string `arg:"" help:"The user's email."`
}

// Run asks for the password and changes it.
func (c *UserPassword) Run(std *Streams) error {
	password, err := readPassword(std)
	if err != nil {
		return err
	}
	return c.call(http.MethodPatch, c.Email, map[string]string{"password": password}, nil)
}

// UserRemove removes a user.
type UserRemove struct {
	userAccess
	Email string `arg:"" help:"The user's email."`
}

// Run removes the user.
func (c *UserRemove) Run() error {
	return c.call(http.MethodDelete, c.Email, nil, nil)
}
