package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/gateway/gatewaytest"
)

const keyBehind = "key-behind-0123456789"

// behind starts two gateways in a bubble. The key may do everything at both.
func behind(t *testing.T) *gatewaytest.Pair {
	return gatewaytest.StartPair(t, gatewaytest.InBubble, func(s *gatewaytest.Setup) {
		s.APIKeys = fmt.Sprintf(`[{"name":"all","key":%q,"sub":["*","$db/d4"],"pub":["*","$db/d4"],"rest":["*:*"]}]`, keyBehind)
	})
}

// client sends requests to one gateway.
type client struct {
	t *testing.T
	g *gatewaytest.Gateway
}

// as sends a request with a credential: an Authorization, or else an API key.
func (c client) as(credential, method, path, body string, headers ...string) (status int, text string) {
	name := "x-apikey"
	if strings.Contains(credential, " ") {
		name = "Authorization"
	}
	return c.g.Request(c.t, method, path, body, append(headers, name, credential)...)
}

// do is as for a request that must succeed. It returns a field of the answer, which may be in an object "data".
func (c client) do(credential, method, path, body, field string) string {
	c.t.Helper()
	status, text := c.as(credential, method, path, body)
	if status >= 300 {
		c.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	var fields map[string]any
	if field == "" || json.Unmarshal([]byte(text), &fields) != nil {
		return ""
	}
	if inner, ok := fields["data"].(map[string]any); ok {
		fields = inner
	}
	return fmt.Sprint(fields[field])
}

func (c client) admin(method, path, body, field string) string {
	c.t.Helper()
	return c.do(gatewaytest.AdminKey, method, path, body, field)
}

// question is what a client asks a gateway.
type question func(b client) (status int, text string)

func asks(credential, method, path, body string, headers ...string) question {
	return func(b client) (int, string) { return b.as(credential, method, path, body, headers...) }
}

// TestBehind: a gateway that does not have yet what was made at another one waits for it, before it says no.
func TestBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := behind(t)
		a, b := client{t, p.A}, client{t, p.B}
		for _, one := range behindCases {
			before := ""
			if one.before != nil {
				before = one.before(a)
				synctest.Wait()
			}
			p.OfB.Hold()
			ask := one.make(a, before)
			type answer struct {
				status int
				text   string
			}
			got := make(chan answer, 1)
			go func() {
				status, text := ask(b)
				got <- answer{status, text}
			}()
			synctest.Wait()
			select {
			case now := <-got:
				t.Errorf("%s: B does not wait: %d %s", one.name, now.status, now.text)
				p.OfB.Release()
				continue
			default:
			}
			p.OfB.Release()
			if now := <-got; now.status != one.want || !strings.Contains(now.text, one.has) {
				t.Errorf("%s: %d %s", one.name, now.status, now.text)
			}
			synctest.Wait()
		}
	})
}

// TestUnknownKeys: many who ask at once for what nobody has cost the journal few questions.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := behind(t)
		p.OfB.Hold()
		p.A.Request(t, "POST", "/realtime", `{"event":"e"}`, "x-apikey", keyBehind)
		before, many := p.OfB.Ends(), 100
		got := make(chan int, many)
		for n := range many {
			go func() {
				status, _ := p.B.Request(t, "POST", "/realtime", `{}`, "x-apikey", fmt.Sprint("unknown-key-of-a-stranger-", n))
				got <- status
			}()
		}
		synctest.Wait()
		p.OfB.Release()
		for range many {
			if status := <-got; status != http.StatusUnauthorized {
				t.Error(status)
			}
		}
		if asked := p.OfB.Ends() - before; asked > 2 {
			t.Errorf("%d questions for %d unknown keys", asked, many)
		}
	})
}

// TestNoLeader: while the journal has no answer, a credential that is not known gets 503, not 401. Who is
// known needs no answer.
func TestNoLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := behind(t)
		b := client{t, p.B}
		id := b.document()
		p.Journal.Lead(false)
		for name, ask := range map[string]question{
			"key":      asks("a-key-of-another-gateway", "POST", "/realtime", `{}`),
			"login":    asks(keyBehind, "POST", "/auth/login", `{"email":"ann@example.org","password":"correct horse"}`),
			"document": asks(keyBehind, "GET", "/rest/c/other", ""),
			"item":     asks(keyBehind, "GET", "/items/c/other", ""),
			"room":     asks(keyBehind, "GET", "/room/unknown/presence", ""),
			"account":  asks(gatewaytest.Basic("ann", "ann"), "GET", "/db", ""),
			"database": asks(root, "GET", "/db/unknown/ns", ""),
			"list":     asks(keyBehind, "GET", "/realtime?channels=@"+strings.Repeat("a", 26), ""),
			"user":     asks(gatewaytest.AdminKey, "GET", "/admin/users/ann@example.org", ""),
		} {
			if status, text := ask(b); status != http.StatusServiceUnavailable {
				t.Errorf("%s: %d %s", name, status, text)
			}
		}
		status, text := b.as("a-key-of-another-gateway", "GET", "/realtime", "", "Accept", "text/event-stream")
		if status != http.StatusOK || !strings.Contains(text, "busy") {
			t.Errorf("an EventSource gets %d %s", status, text)
		}
		if status, text := b.as(keyBehind, "GET", "/rest/c/"+id, ""); status != http.StatusOK {
			t.Error(status, text)
		}
	})
}

// TestEndOfTime: a range up to a time has all events up to it, also those that are on their way to this gateway.
func TestEndOfTime(t *testing.T) {
	t.Parallel()
	for late, held := range map[time.Duration]time.Duration{ // when the client comes, and how long B is behind then
		0: 4 * time.Second, time.Minute: time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := behind(t)
			a, b := client{t, p.A}, client{t, p.B}
			to := time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano)
			p.OfB.Hold()
			first := a.do(keyBehind, "POST", "/realtime", `{"event":"first"}`, "id")
			time.Sleep(late)
			got := make(chan string, 1)
			go func() {
				_, text := b.as(keyBehind, "GET", "/realtime?from=earliest&to="+to, "")
				got <- text
			}()
			time.Sleep(held)
			synctest.Wait()
			p.OfB.Release()
			if text := <-got; !slices.Contains(strings.Split(text, "\n"), "id: "+first) {
				t.Errorf("%s late: the event of %s is missing in %s", late, first, text)
			}
		})
	}
}
