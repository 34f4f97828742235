package config

import (
	"errors"
	"fmt"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// maxForward is the most headers that AUTH_URL may get.
const maxForward = 20

// checkApplication checks what is about AUTH_URL.
func (c *Config) checkApplication(add func(string, error)) {
	if c.AuthURL != "" {
		add("AUTH_URL", authURL(c.AuthURL))
	}
	add("AUTH_FORWARD", forwarded(c.AuthForward))
}

// authURL refuses a user and password as well: a header Authorization of the client would take their place.
func authURL(raw string) error {
	if err := jwksURL(raw); err != nil {
		return err
	}
	if u, err := url.Parse(raw); err != nil || u.User != nil || u.Fragment != "" {
		return errors.New("must be an https address (http only on loopback) without a user and without #; AUTH_SECRET tells the application who asks")
	}
	return nil
}

// ownHeaders are those of a question that do not come from the client, and those that belong to one connection.
var ownHeaders = []string{
	"Accept", "Accept-Encoding", "Sluice-Signature", "X-Apikey", "Forwarded", "Host", "Content-Length", "Content-Type", "Content-Encoding", "Expect",
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Range",
}

// forwarded checks the names of headers.
func forwarded(list List) error {
	if len(list) > maxForward {
		return fmt.Errorf("must be at most %d names of headers", maxForward)
	}
	for i, name := range list {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !token(name):
			return errors.New("must be names of request headers, such as Cookie,Authorization")
		case slices.Contains(ownHeaders, canonical), strings.HasPrefix(canonical, "X-Forwarded-"), strings.HasPrefix(canonical, "Sec-Websocket-"):
			return fmt.Errorf("must not have %s: the gateway sends or uses that itself", canonical)
		case slices.ContainsFunc(list[:i], func(other string) bool { return textproto.CanonicalMIMEHeaderKey(other) == canonical }):
			return fmt.Errorf("must have %s once", canonical)
		}
	}
	return nil
}
