package persistr

import (
	"errors"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/auth/peer"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/store/streams"
)

// principal is the sender of a request: root, an account, or the owner of an API key or a token of the gateway.
type principal struct {
	identity *auth.Identity // of keys and tokens; others have only a name
	account  *account.Account
	root     bool
}

var root = &principal{root: true, identity: &auth.Identity{Name: account.Root, Kind: account.Root, Scope: account.Root}}

// identify accepts Basic, Apikey and Bearer, and the credentials of /realtime.
func (h *Handler) identify(c echo.Context) (*principal, error) {
	r := c.Request()
	values := r.Header.Values(echo.HeaderAuthorization)
	if len(values) > 1 {
		return nil, bad("there are two Authorization headers; send one")
	}
	carriers, adminKey := h.o.Auth.Carriers(r, r.URL.Query(), c.RealIP()), ""
	if len(values) == 1 {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
		switch {
		case strings.EqualFold(scheme, "Basic"):
			return h.basic(c)
		case strings.EqualFold(scheme, "Apikey"):
			key := strings.TrimSpace(rest)
			if carriers.Empty() { // together with another credential it counts as an API key: a refusal of both would not be charged
				adminKey = key
			}
			if adminKey != "" && h.o.Admin.Is(c.RealIP(), adminKey) {
				return root, nil
			}
			carriers.Header = append(carriers.Header, key)
		}
	}
	id, err := h.o.Auth.Authenticate(r.Context(), carriers)
	if err != nil {
		if adminKey != "" && (err.Guess() || err.Code == auth.TooManyTries) { // it is no admin key either
			if over := h.o.Admin.Check(c.RealIP(), adminKey); over != nil && over.Code == auth.TooManyTries {
				err = over
			}
		}
		return nil, err
	}
	if !id.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
		return nil, httperr.ForeignOrigin()
	}
	return &principal{identity: id}, nil
}

func (h *Handler) basic(c echo.Context) (*principal, error) {
	username, password, ok := c.Request().BasicAuth()
	if !ok {
		return nil, unauthorized("the Authorization header must be Basic with the base64 of user:password")
	}
	if username == account.Root {
		switch bad := h.o.Admin.Check(c.RealIP(), password); {
		case bad == nil:
			return root, nil
		case bad.Code == auth.TooManyTries:
			return nil, bad
		}
		return nil, unauthorized("wrong user or password")
	}
	if h.o.DemoOnLoopback && username == demo && password == demo && !(peer.LoopbackHost(c.Request()) && peer.LoopbackOrigin(c.Request())) {
		// A page of any site knows the password too, and reaches loopback by its address, or by its own name (DNS rebinding).
		return nil, forbidden("the password of demo is good for a loopback Host only, as in http://localhost:8080, and in pages of a loopback Origin; behind a proxy set TRUSTED_PROXIES, or another password")
	}
	a, err := h.o.Accounts.Verify(c.Request().Context(), c.RealIP(), username, password)
	if errors.Is(err, account.ErrUnknown) {
		return nil, unauthorized("wrong user or password")
	}
	if err != nil {
		return nil, err
	}
	return &principal{account: a, identity: &auth.Identity{Name: a.Username, Kind: "account", Scope: "account\x00" + a.ID}}, nil
}

// active reports whether a principal's account still exists and may sign in. For keys and tokens, the identity knows.
func (h *Handler) active(who *principal) bool {
	if who.account == nil {
		return true
	}
	now, err := h.o.Accounts.Get(who.account.Username)
	return err == nil && now.ID == who.account.ID && now.Active
}

// role returns what a principal may do in a database. Keys and tokens are readers of what they may subscribe to, and
// members of a database to which they may publish everything.
func (h *Handler) role(who *principal, name string) streams.Role {
	switch {
	case !h.o.Catalog.Exists(name):
		return streams.None
	case who.root:
		return streams.Owner
	case who.account != nil:
		return h.o.Catalog.Role(name, who.account.ID)
	case whole(who.identity.Pub, name) && whole(who.identity.Sub, name):
		return streams.Member
	case whole(who.identity.Sub, name):
		return streams.Reader
	}
	return streams.None
}

// whole reports whether a set covers all of a database.
func whole(set channel.Set, name string) bool {
	every := channel.NewSet(channel.Pattern{Space: streams.Space(name)})
	return set.Intersect(every).String() == every.String()
}

// readable returns what a principal may read of a database; maybe nothing.
func (h *Handler) readable(who *principal, name string) channel.Set {
	every := channel.NewSet(channel.Pattern{Space: streams.Space(name)})
	switch {
	case !h.o.Catalog.Exists(name):
		return channel.Set{}
	case who.account == nil && !who.root:
		return who.identity.Sub.Intersect(every)
	case h.role(who, name) >= streams.Reader:
		return every
	}
	return channel.Set{}
}

// mayAppend reports whether a principal may append an event of a type, and so make a namespace.
func (h *Handler) mayAppend(who *principal, name, kind string) (ok, create bool) {
	if !h.o.Catalog.Exists(name) {
		return false, false
	}
	if who.account == nil && !who.root {
		return who.identity.Pub.Match(channel.Of(streams.Space(name), streams.MapType(kind), "")), whole(who.identity.Pub, name)
	}
	role := h.role(who, name)
	return role >= streams.Member, role >= streams.Admin
}
