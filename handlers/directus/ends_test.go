package directus_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/auth/grant"
	"sluice/config"
	"sluice/gateway/gatewaytest"
	"sluice/store/documents"
)

func TestSocketHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.WithItems, gatewaytest.InBubble, func(s *setup) { s.WebSocketAuthTimeout = time.Second; s.MaxConnectionsPerKey = 3 })
		g.AddUser(t, "ann@example.com", "s3cret-s3cret")
		open := func() *gatewaytest.Socket {
			t.Helper()
			s, _ := g.DialSocket(t, "", nil)
			return s
		}
		ok := open()
		ok.Send(`{"access_token":"` + gatewaytest.KeyItems + `","type":"auth"}`)
		ok.Expect(`{"type":"auth","status":"ok"}`)
		ok.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyReader + `","uid":"1"}`)
		ok.Expect(`{"type":"auth","status":"ok","uid":"1"}`)
		time.Sleep(1100 * time.Millisecond) // longer than the time to authenticate in
		ok.ExpectNothing()

		for _, first := range []string{`{"type":"subscribe","collection":"m","uid":"1"}`, `{"type":"ping"}`, `{`, `{"type":"boing"}`} {
			s := open()
			s.Send(first)
			s.Expect(handshakeFailed)
			s.ExpectClose(websocket.StatusPolicyViolation)
		}
		late := open()
		late.Expect(handshakeFailed)
		late.ExpectClose(websocket.StatusPolicyViolation)
		for auth, why := range map[string]string{
			`"access_token":"nope"`:                             "this API key is not known here",
			`"email":"ann@example.com","password":"nope"`:       "the email or the password is wrong, or the session has ended; sign in again",
			`"refresh_token":"nope"`:                            "the email or the password is wrong, or the session has ended; sign in again",
			`"token":"x"`:                                       `send an \"access_token\", \"email\" and \"password\", or a \"refresh_token\"`,
			`"access_token":"key-page-0123456789","from":"now"`: "this key may not be used from this Origin; add it to the key's origins",
		} {
			s, _ := g.DialSocket(t, "", http.Header{"Origin": {"https://b.example"}})
			s.Send(`{"type":"auth",` + auth + `,"uid":2}`)
			s.Expect(`{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication failed: ` + why + `."},"uid":2}`)
			s.ExpectClose(websocket.StatusPolicyViolation)
		}

		user := open()
		user.Send(`{"type":"auth","email":"ann@example.com","password":"s3cret-s3cret","uid":"1"}`)
		token := user.RefreshToken(`{"type":"auth","status":"ok","uid":"1","refresh_token":"`)
		user.Send(`{"type":"items","collection":"m","action":"read"}`)
		user.Expect(`{"type":"items","data":[]}`)
		user.Send(`{"type":"auth","refresh_token":"` + token + `"}`)
		user.RefreshToken(`{"type":"auth","status":"ok","refresh_token":"`)

		// A credential has a bounded number of connections. One that changes its credential is counted anew.
		ok.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
		ok.Expect(`{"type":"auth","status":"ok"}`)
		two, three := g.Socket(t, gatewaytest.KeyItems), g.Socket(t, gatewaytest.KeyItems)
		two.ExpectNothing()
		three.ExpectNothing()
		if s, status := g.DialSocket(t, "?access_token="+gatewaytest.KeyItems, nil); s != nil || status != http.StatusForbidden {
			t.Errorf("a fourth: %d", status)
		}
		four := open()
		four.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
		four.Expect(`{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication failed: this credential has as many connections as MAX_CONNECTIONS_PER_KEY allows; close one or try again later."}}`)
		four.ExpectClose(websocket.StatusPolicyViolation)
		two.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyReader + `"}`)
		two.Expect(`{"type":"auth","status":"ok"}`)
		g.Socket(t, gatewaytest.KeyItems).ExpectNothing()

		for query, want := range map[string]int{"?access_token=nope": 401, "?access_token=" + gatewaytest.KeyItems: 403, "?access_token=" + gatewaytest.KeyReader: 101, "": 101} {
			if _, status := g.DialSocket(t, query, nil); status != want {
				t.Errorf("%s: %d, want %d", query, status, want)
			}
		}
		if _, status := g.DialSocket(t, "?access_token=key-page-0123456789", http.Header{"Origin": {"https://b.example"}}); status != 403 {
			t.Errorf("another's page: %d", status)
		}
	})
}

func TestSocketModes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		strict := newGateway(t, gatewaytest.WithItems, gatewaytest.InBubble, func(s *setup) { s.WebSocketAuth = config.SocketStrict })
		for query, want := range map[string]int{"": 401, "?access_token=nope": 401, "?access_token=" + gatewaytest.KeyItems: 101} {
			if _, status := strict.DialSocket(t, query, nil); status != want {
				t.Errorf("strict %s: %d, want %d", query, status, want)
			}
		}
		strict.Socket(t, gatewaytest.KeyItems).ExpectNothing()

		public := newGateway(t, gatewaytest.WithItems, gatewaytest.InBubble, func(s *setup) {
			s.WebSocketAuth, s.WebSocketAuthTimeout, s.WebSocketHeartbeat = config.SocketPublic, 50*time.Millisecond, 100*time.Millisecond
		})
		s, _ := public.DialSocket(t, "", nil)
		time.Sleep(300 * time.Millisecond) // nobody is asked, nor pinged
		s.ExpectNothing()
		s.Send(`{"type":"items","collection":"m","action":"read","uid":"a"}`)
		s.Expect(`{"type":"items","status":"error","error":{"code":"INVALID_COLLECTION","message":"no credential: send an API key or a token as Authorization: Bearer"},"uid":"a"}`)
		s.Send(`{"type":"auth","access_token":"nope"}`)
		s.Expect(`{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication failed: this API key is not known here."}}`)
		s.ExpectNothing()
		s.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
		s.Expect(`{"type":"auth","status":"ok"}`)
		s.Send(`{"type":"items","collection":"m","action":"read","uid":"a"}`)
		s.Expect(`{"type":"items","data":[],"uid":"a"}`)
	})
}

// TestSocketEnds: the identity ends, and a client that comes back gets what it has missed.
func TestSocketEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, mode := range []config.SocketAuth{config.SocketHandshake, config.SocketPublic} {
			g := newGateway(t, gatewaytest.WithItems, gatewaytest.InBubble, func(s *setup) { s.WebSocketAuth, s.WebSocketAuthTimeout = mode, 2*time.Second })
			key := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"temp","sub":["*"],"rest":["*"]}`, 201)["key"].(string)
			s := g.Socket(t, key)
			s.Send(`{"type":"subscribe","collection":"m","uid":"1"}`)
			s.Expect(gatewaytest.SubscriptionMessage("init", `[]`, "1"))
			id := g.keyID(t, "temp")
			g.AsAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["POST:m","DELETE:m"]}`, 200)
			const expired = `{"type":"auth","status":"error","error":{"code":"TOKEN_EXPIRED","message":"Token expired."}}`
			s.Expect(expired)
			g.RunAll(t, []scenario{
				{Name: "made", Method: "POST", Path: "/items/m", Key: gatewaytest.KeyItems, Body: `{"id":"1"}`, Status: 200},
				{Name: "changed", Method: "PATCH", Path: "/items/m/1", Key: gatewaytest.KeyItems, Body: `{"n":1}`, Status: 200},
				{Name: "gone", Method: "DELETE", Path: "/items/m/1", Key: gatewaytest.KeyItems, Status: 204},
			})
			s.ExpectNothing()
			s.Send(`{"type":"auth","access_token":"` + key + `"}`)
			s.Expect(`{"type":"auth","status":"ok"}`, gatewaytest.Created(`[{"id":"1","date_created":"AT"}]`, "1"), gatewaytest.SubscriptionMessage("delete", `["1"]`, "1"))
			// A subscription that it may no longer have ends with a message.
			g.AsAdmin(t, "PATCH", "/admin/keys/"+id, `{"rest":["POST:m"]}`, 200)
			s.Expect(expired)
			s.Send(`{"type":"auth","access_token":"` + key + `"}`)
			s.Expect(`{"type":"auth","status":"ok"}`, `{"type":"subscribe","status":"error","error":{"code":"INVALID_COLLECTION","message":"this credential has no permission GET:m (in its \"rest\")"},"uid":"1"}`)
			g.AsAdmin(t, "DELETE", "/admin/keys/"+id, "", 204)
			s.Expect(expired, `{"type":"auth","status":"error","error":{"code":"AUTH_TIMEOUT","message":"Authentication timed out."}}`)
			if mode == config.SocketPublic {
				s.ExpectNothing()
				continue
			}
			s.ExpectClose(websocket.StatusPolicyViolation)
		}
	})
}

// keyID is the id of a stored key.
func (g *gateway) keyID(t *testing.T, name string) string {
	t.Helper()
	for _, k := range g.Auth.Keys() {
		if k.Name == name {
			return k.ID
		}
	}
	t.Fatal("there is no key", name)
	return ""
}

func TestSocketExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.WithItems, gatewaytest.InBubble)
		mint := func(ttl time.Duration) string {
			t.Helper()
			who, bad := g.Auth.Authenticate(context.Background(), auth.Carriers{Bearer: []string{gatewaytest.KeyItems}})
			if bad != nil {
				t.Fatal(bad)
			}
			token, _, err := g.Auth.Mint(who, grant.Lists{Sub: []string{"*"}, Rest: []string{"*"}}, ttl)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		s := g.Socket(t, mint(2*time.Second))
		s.Send(`{"type":"subscribe","collection":"m","uid":"1"}`)
		s.Expect(gatewaytest.SubscriptionMessage("init", `[]`, "1"), `{"type":"auth","status":"error","error":{"code":"TOKEN_EXPIRED","message":"Token expired."}}`)
		s.Send(`{"type":"items","collection":"m","action":"read"}`)
		s.Expect(`{"type":"items","status":"error","error":{"code":"INVALID_COLLECTION","message":"no credential: send an API key or a token as Authorization: Bearer"}}`)
		s.Send(`{"type":"auth","access_token":"` + mint(time.Hour) + `"}`)
		s.Expect(`{"type":"auth","status":"ok"}`)
		s.ExpectNothing()
	})
}

func TestSocketHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.WithItems, gatewaytest.InBubble, func(s *setup) { s.WebSocketHeartbeat = 700 * time.Millisecond })
		s, silent := g.Socket(t, gatewaytest.KeyItems), g.Socket(t, gatewaytest.KeyItems)
		for range 3 {
			s.Expect(`{"type":"ping"}`)
			s.Send(`{"type":"pong"}`)
		}
		silent.Expect(`{"type":"ping"}`)
		silent.ExpectClose(websocket.StatusPolicyViolation)
		s.Expect(`{"type":"ping"}`)
	})
}

func TestSocketBounds(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.MaxBody = 1000; s.MaxConnections = 4 })
	s := g.Socket(t, gatewaytest.KeyItems)
	for i := range 100 {
		s.Send(fmt.Sprintf(`{"type":"subscribe","collection":"m","event":"create","uid":%d}`, i))
		s.Expect(fmt.Sprintf(`{"type":"subscription","event":"init","uid":"%d"}`, i))
	}
	s.Send(`{"type":"subscribe","collection":"m","uid":"more"}`)
	s.Expect(`{"type":"subscribe","status":"error","error":{"code":"LIMIT_EXCEEDED","message":"a connection can have at most 100 subscriptions: end one"},"uid":"more"}`)
	s.Send(`{"type":"subscribe","collection":"m","event":"create","uid":"99"}`) // is there
	s.Expect(`{"type":"subscription","event":"init","uid":"99"}`)
	const many = 2000 // over 300 a second on a slow machine too
	for i := range many {
		s.Send(fmt.Sprintf(`{"type":"ping","uid":%d}`, i))
	}
	over := 0
	for i := range many {
		text, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if text != fmt.Sprintf(`{"type":"pong","uid":%d}`, i) {
			over++
			if want := fmt.Sprintf(`{"type":"server","status":"error","error":{"code":"REQUESTS_EXCEEDED","message":"more than 300 messages a second; slow down: this one was ignored"},"uid":%d}`, i); text != want {
				t.Fatal(text)
			}
		}
	}
	if over == 0 {
		t.Error("all messages at once were taken")
	}
	large := g.Socket(t, gatewaytest.KeyItems)
	large.Send(`{"type":"ping","uid":"` + strings.Repeat("x", 1000) + `"}`)
	large.ExpectClose(websocket.StatusMessageTooBig)
	g.Socket(t, gatewaytest.KeyItems)
	g.Socket(t, gatewaytest.KeyItems)
	for end := time.Now().Add(5 * time.Second); g.Traffic.Streams() != 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(g.Traffic.Streams())
		}
	}
	g.Socket(t, gatewaytest.KeyItems)
	if _, status := g.DialSocket(t, "?access_token="+gatewaytest.KeyItems, nil); status != http.StatusForbidden {
		t.Errorf("one more connection: %d", status)
	}
	late, _ := g.DialSocket(t, "", nil) // who has not authenticated takes the place of nobody
	late.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
	late.Expect(`{"type":"auth","status":"error","error":{"code":"SERVICE_UNAVAILABLE","message":"the gateway has as many connections as MAX_CONNECTIONS allows; try again later"}}`)
	late.ExpectClose(websocket.StatusTryAgainLater)
}

// TestSocketMissed: who comes back to changes that are gone is sent away to subscribe again.
func TestSocketMissed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) {
		s.WebSocketAuth, s.RingBytes, s.RetainBytes = config.SocketPublic, 1000, 20_000
	})
	s := g.Socket(t, gatewaytest.KeyItems)
	s.Send(`{"type":"subscribe","collection":"m","uid":"1"}`)
	s.Expect(gatewaytest.SubscriptionMessage("init", `[]`, "1"))
	s.Send(`{"type":"auth","access_token":"nope"}`)
	if text, err := s.Next(); err != nil || !strings.Contains(text, "AUTH_FAILED") {
		t.Fatal(text, err)
	}
	for range 100 {
		if _, err := g.Documents.Insert(t.Context(), "m", "test", []documents.New{{Fields: gatewaytest.Fields(t, `{"a":"`+strings.Repeat("x", 1000)+`"}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyItems + `"}`)
	s.Expect(`{"type":"auth","status":"ok"}`)
	s.ExpectClose(websocket.StatusTryAgainLater)
}

// TestSocketDrains: connections without a subscription end too, and the administrator lists and cuts them.
func TestSocketDrains(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	a, b := g.Socket(t, gatewaytest.KeyItems), g.Socket(t, gatewaytest.KeyReader)
	c, _ := g.DialSocket(t, "", nil)
	a.ExpectNothing()
	b.ExpectNothing()
	var readers []string
	list := g.AsAdmin(t, "GET", "/admin/connections", "", 200)["list"].([]any)
	for _, one := range list {
		if one := one.(map[string]any); one["who"] == "reader" {
			readers = append(readers, one["id"].(string))
		}
	}
	if len(readers) != 1 || len(list) != 3 {
		t.Fatal(list)
	}
	g.AsAdmin(t, "DELETE", "/admin/connections/"+readers[0], "", 204)
	b.ExpectClose(websocket.StatusGoingAway)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- g.Traffic.Drain(ctx, g.Broker) }()
	a.ExpectClose(websocket.StatusGoingAway)
	c.ExpectClose(websocket.StatusGoingAway)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if _, status := g.DialSocket(t, "", nil); status != http.StatusServiceUnavailable {
		t.Errorf("while draining: %d", status)
	}
}

// TestSocketSlow: who does not read is closed, and holds up nobody.
func TestSocketSlow(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.WriteTimeout = 500 * time.Millisecond; s.RingBytes = 200_000 })
	slow, quick := g.Socket(t, gatewaytest.KeyItems), g.Socket(t, gatewaytest.KeyItems)
	for _, s := range []*gatewaytest.Socket{slow, quick} {
		s.Send(`{"type":"subscribe","collection":"m","uid":"1","query":{"fields":["a"]}}`)
		s.Expect(gatewaytest.SubscriptionMessage("init", `[]`, "1"))
	}
	text := strings.Repeat("x", 60_000)
	for range 400 {
		if _, err := g.Documents.Insert(t.Context(), "m", "test", []documents.New{{Fields: gatewaytest.Fields(t, `{"a":"`+text+`"}`)}}); err != nil {
			t.Fatal(err)
		}
		quick.Expect(gatewaytest.Created(`[{"a":"`+text+`"}]`, "1"))
	}
	for end := time.Now().Add(10 * time.Second); g.Traffic.Streams() > 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the slow one is still there")
		}
	}
	for {
		if _, err := slow.Next(); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			break
		}
	}
}
