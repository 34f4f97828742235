package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Carriers has the credentials of a request, by the part of the request that carried them.
type Carriers struct {
	Header     []string // x-apikey
	Bearer     []string // Authorization: Bearer
	QueryKey   []string // apikey, rt-apikey
	QueryToken []string // token, jwt, access_token
	Cookie     []string // the cookie of CREDENTIAL_COOKIE

	Change  bool          // the request changes something, although its method does not show it
	From    string        // the client's address, for which wrong credentials are counted
	Request *http.Request // which carried them; nil for a message of a socket. It is only read, and not kept
}

// Carriers collects the credentials of a request, whose query the door has parsed, from a client's address. It ignores
// other schemes of Authorization: a staging site may have basic authentication in front.
func (a *Authenticator) Carriers(r *http.Request, q url.Values, from string) Carriers {
	c := Carriers{Header: r.Header["X-Apikey"], From: from, Request: r}
	for _, v := range r.Header["Authorization"] {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		if strings.EqualFold(scheme, "Bearer") {
			c.Bearer = append(c.Bearer, strings.TrimSpace(rest))
		}
	}
	for _, name := range []string{"apikey", "rt-apikey"} {
		c.QueryKey = append(c.QueryKey, q[name]...)
	}
	for _, name := range []string{"token", "jwt", "access_token"} {
		c.QueryToken = append(c.QueryToken, q[name]...)
	}
	if a.cookie != "" {
		for _, cookie := range r.CookiesNamed(a.cookie) {
			c.Cookie = append(c.Cookie, cookie.Value)
		}
	}
	return c
}

// Empty reports whether a request carries no credential.
func (c Carriers) Empty() bool {
	for _, values := range [][]string{c.Header, c.Bearer, c.QueryKey, c.QueryToken, c.Cookie} {
		if strings.Join(values, "") != "" {
			return false
		}
	}
	return true
}

// one returns the value of a carrier, or "" if there is none. It returns false if there are two different values.
func one(values []string) (string, bool) {
	found := ""
	for _, v := range values {
		switch {
		case v == "" || v == found:
		case found == "":
			found = v
		default:
			return "", false
		}
	}
	return found, true
}

// distinct is what the carriers hold.
type distinct struct {
	values   []string // each once
	inQuery  bool     // one of them is in the query
	byCookie bool     // one of them is in the cookie alone; whoever sends it elsewhere too knows it
}

// distinct appends the credentials to list.
func (c Carriers) distinct(list []string) (d distinct, err *Error) {
	d.values = list
	for i, values := range [][]string{c.Header, c.Bearer, c.QueryKey, c.QueryToken} {
		v, ok := one(values)
		if !ok {
			return d, errTwoValues
		}
		if v == "" {
			continue
		}
		d.inQuery = d.inQuery || i >= 2
		if !slices.Contains(d.values, v) {
			d.values = append(d.values, v)
		}
	}
	v, ok := one(c.Cookie)
	if !ok {
		return d, errTwoCookies
	}
	if v != "" && !slices.Contains(d.values, v) {
		d.values, d.byCookie = append(d.values, v), true
	}
	return d, nil
}
