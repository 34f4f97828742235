package gateway

import (
	"fmt"
	"slices"
	"strings"

	"sluice/auth/peer"
)

// Credential is a kind of credential, and in plain words which of the kind are in force.
type Credential struct{ Kind, Which string }

// InForce lists the credentials that are in force. No text in it contains one.
func (g *Gateway) InForce() []Credential {
	list := []Credential{{"API keys", g.apiKeysInForce()}, {"admin key", g.adminKeyInForce()}}
	var tokens []string
	for _, name := range []string{"JWT_SECRET", "JWT_PUBLIC_KEY_FILE", "JWT_JWKS_URL"} {
		if slices.Contains(configured(g.cfg), name) {
			tokens = append(tokens, "those that "+name+" verifies")
		}
	}
	list = append(list, Credential{"tokens", strings.Join(append(tokens, "those that API keys mint"), ", ")})
	if n := g.Auth.Users().Count(); n > 0 {
		list = append(list, Credential{"users", fmt.Sprintf("%d in the log, who sign in with email and password", n)})
	}
	if g.cfg.AuthURL != "" {
		list = append(list, Credential{"application", "the one of AUTH_URL decides about all other requests"})
	}
	if files := g.endedFirstKeys(); len(files) > 0 {
		list = append(list, Credential{"not in force", strings.Join(files, " and ") + " of the first start, since " + g.endOfFirstKeys()})
	}
	return list
}

func (g *Gateway) apiKeysInForce() string {
	var parts []string
	settings, stored := 0, 0
	for _, k := range g.Auth.Keys() {
		if k.ReadOnly {
			settings++
		} else {
			stored++
		}
	}
	if g.FirstKey.Key != "" {
		settings--
		parts = append(parts, ofFirstStart(g.FirstKey))
	}
	if settings > 0 {
		parts = append(parts, fmt.Sprintf("%d of the settings", settings))
	}
	if stored > 0 {
		parts = append(parts, fmt.Sprintf("%d made by the administrator", stored))
	}
	switch {
	case len(parts) == 0 && g.administrator.Exists():
		return "none; make one in the dashboard"
	case len(parts) == 0:
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (g *Gateway) adminKeyInForce() string {
	switch {
	case g.FirstAdminKey.Key != "":
		return ofFirstStart(g.FirstAdminKey)
	case g.cfg.AdminKey != "":
		return "the one of ADMIN_KEY"
	}
	return "none; set ADMIN_KEY to have one"
}

func ofFirstStart(k FirstKey) string {
	if k.File == "" {
		return "the one that this start made"
	}
	return "the one of the first start, in " + k.File
}

// endOfFirstKeys says why the keys of the first start are not in force.
func (g *Gateway) endOfFirstKeys() string {
	if names := configured(g.cfg); len(names) > 0 {
		return strings.Join(names, " and ") + " is set"
	}
	if !peer.LoopbackAddr(g.cfg.Addr) {
		return "ADDR reaches beyond this machine"
	}
	return "the log has other keys"
}

// warnOfEnd warns that keys of a first start are not in force any more: somebody may miss them.
func (g *Gateway) warnOfEnd() {
	if files := g.endedFirstKeys(); len(files) > 0 {
		g.o.Logger.Warn("keys of the first start are not in force, since "+g.endOfFirstKeys()+". To go on with the admin key, set ADMIN_KEY_FILE to its file; "+
			"to go on with the API key, list it in API_KEYS. If nobody needs them, delete the files", "files", strings.Join(files, ","))
	}
}
