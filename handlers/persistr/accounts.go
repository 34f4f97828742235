package persistr

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"sluice/auth/account"
	"sluice/store/streams"
)

// listed is an account as an element of a list.
type listed struct {
	Name     string `json:"name"`
	Username string `json:"username"`
	IsActive bool   `json:"isActive"`
}

// profile is an account as it sees itself.
type profile struct {
	ID       string      `json:"id"`
	Username string      `json:"username"`
	Name     string      `json:"name"`
	IsActive bool        `json:"isActive"`
	DBs      []profileDB `json:"dbs"`
}

type profileDB struct {
	Name string       `json:"name"`
	Role streams.Role `json:"role"`
}

// rootOnly refuses everyone but the administrator.
func (c *call) rootOnly() error {
	if c.who.root {
		return nil
	}
	return forbidden("only root manages accounts: user root with the ADMIN_KEY of the settings as its password")
}

func (h *Handler) listAccounts(c *call) error {
	if err := c.rootOnly(); err != nil {
		return err
	}
	list := []listed{}
	for _, a := range h.o.Accounts.All() {
		list = append(list, listed{a.Name, a.Username, a.Active})
	}
	return c.JSON(http.StatusOK, list)
}

func (h *Handler) profile(c *call) error {
	username := c.name("account")
	if own := c.who.identity.Name; username == "current" || username == own {
		return c.JSON(http.StatusOK, h.profileOf(c.who))
	}
	if err := c.rootOnly(); err != nil {
		return err
	}
	a, err := h.o.Accounts.Get(username)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, h.profileOf(&principal{account: a}))
}

func (h *Handler) profileOf(who *principal) *profile {
	p := &profile{IsActive: true, DBs: []profileDB{}}
	if a := who.account; a != nil {
		p.ID, p.Username, p.Name, p.IsActive = a.ID, a.Username, a.Name, a.Active
	} else {
		p.ID, p.Username, p.Name = who.identity.Name, who.identity.Name, who.identity.Name
	}
	for _, name := range h.visible(who) {
		p.DBs = append(p.DBs, profileDB{name, max(h.role(who, name), streams.Reader)})
	}
	return p
}

func (h *Handler) createAccount(c *call) error {
	if err := c.rootOnly(); err != nil {
		return err
	}
	text, err := h.body(c)
	if err != nil {
		return err
	}
	var body struct{ Name, Password *string }
	if json.Unmarshal(text, &body) != nil || body.Password == nil {
		return bad(`the body must be {"name":…,"password":…}`)
	}
	username := c.name("account")
	name := username
	if body.Name != nil {
		name = *body.Name
	}
	_, err = h.o.Accounts.Create(c.Request().Context(), username, name, *body.Password)
	return noContent(c, err)
}

// toAccount calls a function with the account of the path.
func (h *Handler) toAccount(c *call, f func(ctx context.Context, username string) error) error {
	if err := c.rootOnly(); err != nil {
		return err
	}
	return noContent(c, f(c.Request().Context(), c.name("account")))
}

func (h *Handler) destroyAccount(c *call) error { return h.toAccount(c, h.o.Accounts.Destroy) }

func (h *Handler) activate(c *call) error {
	return h.toAccount(c, func(ctx context.Context, username string) error { return h.o.Accounts.SetActive(ctx, username, true) })
}

func (h *Handler) deactivate(c *call) error {
	return h.toAccount(c, func(ctx context.Context, username string) error { return h.o.Accounts.SetActive(ctx, username, false) })
}

// demo is name, password and database of the account that PERSISTR_DEMO makes.
const demo = "demo"

// MakeDemo makes the account demo and its database demo, if they do not exist.
func MakeDemo(ctx context.Context, accounts *account.Store, catalog *streams.Catalog) error {
	a, err := accounts.Get(demo)
	if err != nil {
		if a, err = accounts.Create(ctx, demo, demo, demo); err != nil {
			return err
		}
	}
	if !catalog.Exists(demo) {
		// Where the name was given up, it is not taken again behind root's back.
		if err := catalog.Create(ctx, demo, a.ID); !errors.Is(err, streams.ErrTaken) {
			return err
		}
	}
	return nil
}
