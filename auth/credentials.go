package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// Carriers has the credentials of a request, by the part of the request that carried them.
type Carriers struct {
	Header     []string // x-apikey
	Bearer     []string // Authorization: Bearer
	QueryKey   []string // apikey, rt-apikey
	QueryToken []string // token, jwt, access_token

	From string // the client's address, for which wrong credentials are counted
}

// At returns the same credentials with the client's address.
func (c Carriers) At(from string) Carriers {
	c.From = from
	return c
}

// FromRequest collects the credentials of a request. It ignores other schemes of Authorization: a staging site
// may have basic authentication in front.
func FromRequest(h http.Header, q url.Values) Carriers {
	c := Carriers{Header: h["X-Apikey"]}
	for _, v := range h["Authorization"] {
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
	return c
}

// Empty reports whether a request carries no credential.
func (c Carriers) Empty() bool {
	for _, values := range [][]string{c.Header, c.Bearer, c.QueryKey, c.QueryToken} {
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

// distinct appends the request's credentials to list, each once, and returns whether any came in the query.
func (c Carriers) distinct(list []string) (_ []string, inQuery bool, err *Error) {
	for i, values := range [][]string{c.Header, c.Bearer, c.QueryKey, c.QueryToken} {
		v, ok := one(values)
		if !ok {
			return nil, false, errTwoValues
		}
		if v == "" {
			continue
		}
		inQuery = inQuery || i >= 2
		seen := false
		for _, have := range list {
			seen = seen || have == v
		}
		if !seen {
			list = append(list, v)
		}
	}
	return list, inQuery, nil
}
