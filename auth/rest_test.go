package auth

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sluice/auth/grant"
	"sluice/channel"
)

// The claim realtime grants documents in its object form only; another shape grants nothing at all.
func TestRestOfTokens(t *testing.T) {
	t.Parallel()
	a := newAuth(t, Options{Secrets: []string{testSecret}, Global: true})
	for _, tt := range []struct{ realtime, want string }{
		{`{"rest":["GET:customer","POST:*"]}`, "GET:customer,POST:*"},
		{`{"sub":["a"],"rest":["patch:customer"]}`, "PUT:customer"},
		{`{"rest":["GET:customer","chat"]}`, "GET:customer"},
		{`["GET:customer"]`, ""},
		{`{"sub":["*"],"pub":["*"]}`, ""},
		{`{"rest":"*"}`, ""},
		{`{"rest":["*",1]}`, ""},
		{`{"rest":null}`, ""},
		{`{"rest":["*"],"pub":"*"}`, ""},
		{`{"REST":["*"]}`, ""},
	} {
		id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{hs(t, fmt.Sprintf(`{"exp":%d,"realtime":%s}`, time.Now().Unix()+60, tt.realtime))}})
		if bad != nil || id.Rest.String() != tt.want {
			t.Errorf("%s: %v, %v", tt.realtime, id, bad)
		}
	}
}

// A stored key keeps its grant of documents. A change of that ends the key's identities. A token of the key never grants
// more than the key does now.
func TestRestOfStoredKeys(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	a, _, done := openStore(t, dir, 0)
	info, key, err := a.CreateKey(ctx, KeyChange{Name: ptr("app"), Rest: ptr([]string{"GET:*", "patch:customer"})})
	if err != nil || fmt.Sprint(info.Rest) != "[GET:* PUT:customer]" {
		t.Fatal(info, err)
	}
	done()

	a, _, done = openStore(t, dir, 0)
	defer done()
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}})
	if bad != nil || !id.Rest.Match(channel.Of("", "PATCH", "customer")) || !id.Rest.Match(channel.Of("", "GET", "x")) || id.Rest.Match(channel.Of("", "PUT", "x")) {
		t.Fatal(id, bad)
	}
	token, _, err := a.Mint(id, grant.Lists{Rest: []string{"GET:customer", "PUT:customer"}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"*", "DELETE:customer", "PUT:*", "chat"} {
		if _, _, err := a.Mint(id, grant.Lists{Rest: []string{more}}, time.Hour); err == nil {
			t.Errorf("a token may %s", more)
		}
	}
	rest := func(want string) *Identity {
		t.Helper()
		of, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}})
		if bad != nil || of.Rest.String() != want || !of.Sub.Empty() || !of.Pub.Empty() {
			t.Errorf("%v, %v", of, bad)
		}
		return of
	}
	of := rest("GET:customer,PUT:customer")
	if _, err := a.UpdateKey(ctx, info.ID, KeyChange{Rest: ptr([]string{"GET:*"})}); err != nil {
		t.Fatal(err)
	}
	if id.Ended() != Changed || of.Ended() != Changed {
		t.Errorf("it goes on: %q, %q", id.Ended(), of.Ended())
	}
	rest("GET:customer")
}
