package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/auth/grant"
	"sluice/auth/user"
)

// userCommand manages the users of a running gateway.
func userCommand(std *Streams) *cobra.Command {
	return parent(&cobra.Command{
		Use:   "user",
		Short: "Add, list and remove the users of a running gateway.",
		Example: "  export ADMIN_KEY=…\n" +
			"  sluice user add ann@example.org --rest 'GET:*,POST:messages' --sub '*:messages'\n" +
			"  echo \"$PASSWORD\" | sluice user password ann@example.org\n" +
			"  sluice user list\n" +
			"  sluice user remove ann@example.org",
		Long: "Users sign in with email and password, and get a token that works wherever a key does.",
	}, userAddCommand(std), userListCommand(std), userPasswordCommand(std), userRemoveCommand(std))
}

// emailIs explains the argument of commands about one user.
const emailIs = "EMAIL is the user's email."

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
	Sub, Pub, Rest []string
	Email          string
}

func userAddCommand(std *Streams) *cobra.Command {
	c := &UserAdd{}
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Add a user; the password is asked for, or read from standard input.",
		Long:  emailIs,
		Args:  checkArguments,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Email = args[0]
			return c.Run(std)
		},
	}
	addFlags(cmd.Flags(), "Grant", func(f *pflag.FlagSet) {
		listVar(f, &c.Sub, "sub", "The channels that the user may subscribe to: `PATTERN,...`")
		listVar(f, &c.Pub, "pub", "The channels that the user may publish to: `PATTERN,...`")
		listVar(f, &c.Rest, "rest", "The documents that the user may read and write: `PATTERN,...`, as GET:customer or POST:*.")
	})
	addFlags(cmd.Flags(), "Gateway", c.flags)
	std.jsonFlag(cmd.Flags())
	return cmd
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
		std.note("the user may do nothing yet; remove it and add it with --sub, --pub or --rest, or PATCH /admin/users/EMAIL")
	}
	return std.result(made, oneLine(made.Email)+"\n")
}

// UserList lists all users.
type UserList struct {
	userAccess
}

func userListCommand(std *Streams) *cobra.Command {
	c := &UserList{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users and what they may do.",
		Args:  checkArguments,
		RunE:  func(*cobra.Command, []string) error { return c.Run(std) },
	}
	addFlags(cmd.Flags(), "Gateway", c.flags)
	std.jsonFlag(cmd.Flags())
	return cmd
}

// Run prints a table, one user a line.
func (c *UserList) Run(std *Streams) error {
	var users []user.User
	if err := c.call(http.MethodGet, "", nil, &users); err != nil {
		return err
	}
	if std.JSON {
		for _, u := range users {
			if err := printLine(std.Out, u); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(std.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "EMAIL\tACTIVE\tSUB\tPUB\tREST")
	for _, u := range users {
		active := "yes"
		if !u.Active {
			active = "no"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", oneLine(u.Email), active, listed(u.Sub), listed(u.Pub), listed(u.Rest))
	}
	return table.Flush()
}

func listed(patterns []string) string {
	if len(patterns) == 0 {
		return "-"
	}
	return oneLine(strings.Join(patterns, ","))
}

// UserPassword changes a password.
type UserPassword struct {
	userAccess
	Email string
}

func userPasswordCommand(std *Streams) *cobra.Command {
	c := &UserPassword{}
	cmd := &cobra.Command{
		Use:   "password EMAIL",
		Short: "Give a user another password; all sessions end.",
		Long:  emailIs,
		Args:  checkArguments,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Email = args[0]
			return c.Run(std)
		},
		ValidArgsFunction: c.completeEmails,
	}
	addFlags(cmd.Flags(), "Gateway", c.flags)
	std.jsonFlag(cmd.Flags())
	return cmd
}

// Run asks for the password and changes it.
func (c *UserPassword) Run(std *Streams) error {
	password, err := readPassword(std)
	if err != nil {
		return err
	}
	if err := c.call(http.MethodPatch, c.Email, map[string]string{"password": password}, nil); err != nil {
		return err
	}
	return std.result(changedUser{c.Email}, "")
}

// changedUser is what --json prints of a user that was changed or removed.
type changedUser struct {
	Email string `json:"email"`
}

// UserRemove removes a user.
type UserRemove struct {
	userAccess
	Email string
}

func userRemoveCommand(std *Streams) *cobra.Command {
	c := &UserRemove{}
	cmd := &cobra.Command{
		Use:   "remove EMAIL",
		Short: "Remove a user; all sessions end.",
		Long:  emailIs,
		Args:  checkArguments,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Email = args[0]
			return c.Run(std)
		},
		ValidArgsFunction: c.completeEmails,
	}
	addFlags(cmd.Flags(), "Gateway", c.flags)
	std.jsonFlag(cmd.Flags())
	return cmd
}

// Run removes the user.
func (c *UserRemove) Run(std *Streams) error {
	if err := c.call(http.MethodDelete, c.Email, nil, nil); err != nil {
		return err
	}
	return std.result(changedUser{c.Email}, "")
}
