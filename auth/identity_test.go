package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// TestJoinedScope: a client with several credentials has no more shares than credentials, however it combines them.
func TestJoinedScope(t *testing.T) {
	t.Parallel()
	keys := make([]string, 4)
	list := ""
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%d-0123456789abcdef0123456789abcdef", i)
		list += fmt.Sprintf(`,{"name":"k%d","key":%q,"sub":["a"]}`, i, keys[i])
	}
	a := newAuth(t, Options{APIKeys: "[" + list[1:] + "]", QueryCredentials: true, Secrets: []string{testSecret}})
	users := make([]string, 2)
	for i := range users {
		users[i] = hs(t, fmt.Sprintf(`{"sub":"u%d","exp":%d}`, i, time.Now().Unix()+60))
	}
	scope := func(some ...string) string {
		t.Helper()
		names := []string{"apikey", "access_token"}
		query, header := url.Values{}, http.Header{}
		for i, v := range some {
			if i < len(names) {
				query.Set(names[i], v)
			} else {
				header.Set("x-apikey", v)
			}
		}
		id, bad := a.Authenticate(context.Background(), a.Carriers(&http.Request{Header: header}, query, ""))
		if bad != nil {
			t.Fatal(bad)
		}
		return id.Scope
	}
	alone := map[string]bool{}
	for _, k := range keys {
		alone[scope(k)] = true
	}
	for _, one := range keys {
		for _, two := range keys {
			for _, three := range keys {
				if got := scope(one, two, three); !alone[got] || got != scope(three, one, two) {
					t.Errorf("%s %s %s: %q", one, two, three, got)
				}
			}
		}
	}
	for _, user := range users {
		for _, k := range keys {
			if got := scope(user, k); got != scope(user) || got != scope(k, user) {
				t.Errorf("a token and %s: %q", k, got)
			}
		}
	}
	if scope(users[0], keys[0]) == scope(users[1], keys[0]) {
		t.Error("two users of one app are one")
	}
}
