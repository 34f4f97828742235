package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// Carriers are the values that a request carried, by where.
type Carriers struct {
	Header     []string // x-apikey
	Bearer     []string // Authorization: Bearer
	QueryKey   []string // apikey, rt-apikey
	QueryToken []string // token, jwt, access_token

	From string // the client's address, by which wrong credentials are counted
}

// At is the same credentials, sent from an address.
func (c Carriers) At(from string) Carriers {
	c.From = from
	return c
}

// FromRequest collects what a request carries. Other schemes of Authorization are not ours: a
// staging site may have basic auth in front.
func FromRequest(h http.Header, q url.Values) Carriers {
	c := Carriers{Header: h.Values("X-Apikey")}
	for _, v := range h.Values("Authorization") {
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

// one is the single value of a carrier, "" where it is absent; false where there are two.
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

// distinct are the request's credentials, each once, and whether any came in the query.
func (c Carriers) distinct() (list []string, inQuery bool, err *Error) {
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
