package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/auth/grant"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/pebble"
)

// minting is a gateway with keys in a file, which starts again and again with the same store.
type minting struct {
	*testing.T
	dir   string
	ahead time.Duration // of the wall clock
	later time.Duration // what has passed beside
	a     *Authenticator
	log   *eventlog.Log
}

const minterKeys = `[{"name":"one","key":"` + keyOne + `","sub":["a"]},{"name":"two","key":"` + keyTwo + `","sub":["b"]}]`

func (m *minting) start(keys string) {
	m.Helper()
	file := filepath.Join(m.dir, "keys")
	if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
		m.Fatal(err)
	}
	later := m.later
	source := logtest.SourceOf(func() time.Time { return time.Now().Add(later) })
	engine, err := pebble.Open(pebble.Options{Dir: filepath.Join(m.dir, "log"), Source: source})
	if err != nil {
		m.Fatal(err)
	}
	if m.log, err = eventlog.Open(engine, eventlog.Options{}); err != nil {
		m.Fatal(err)
	}
	ahead := m.ahead
	if m.a, err = New(Options{Log: m.log, TokenSecret: storeSecret, APIKeysFile: file, Now: func() time.Time { return time.Now().Add(ahead) }}); err != nil {
		m.Fatal(err)
	}
}

func (m *minting) stop() {
	m.Helper()
	if err := m.a.Close(); err != nil {
		m.Error(err)
	}
	if err := m.log.Close(); err != nil {
		m.Error(err)
	}
}

func (m *minting) use(keys string) {
	m.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "keys"), []byte(keys), 0o600); err != nil {
		m.Fatal(err)
	}
	if err := m.a.Reload(); err != nil {
		m.Fatal(err)
	}
}

func (m *minting) mint(key, channel string) string {
	m.Helper()
	token, _, err := m.a.Mint(m.a.bearer(m, key), grant.Lists{Sub: []string{channel}}, time.Hour)
	if err != nil {
		m.Fatal(err)
	}
	return token
}

func (m *minting) check(what, token string, good bool) {
	m.Helper()
	for range 2 { // the second time from the cache
		_, bad := m.a.Authenticate(context.Background(), Carriers{Bearer: []string{token}})
		if good && bad != nil || !good && codeOf(bad) != "revoked_token" {
			m.Errorf("%s: %v", what, bad)
		}
	}
}

// The tokens of a key end when it is removed, and stay void even if the key comes back. This also holds after a restart, and
// if the key was removed while the gateway was down. Tokens of other keys, and later tokens, are valid.
func TestRemovedKeyVoidsItsTokens(t *testing.T) {
	t.Parallel()
	m := &minting{T: t, dir: t.TempDir()}
	onlyTwo := minterKeys[:1] + minterKeys[strings.Index(minterKeys, `,{"name":"two"`)+1:]
	changed := strings.Replace(minterKeys, `["a"]`, `["a","more"]`, 1)
	m.start(minterKeys)
	first, other := m.mint(keyOne, "a"), m.mint(keyTwo, "b")
	m.stop()
	m.start(minterKeys)
	m.check("after a restart", first, true)
	m.use(changed)
	m.check("its key was changed", first, true)
	m.use(onlyTwo)
	m.check("its key was removed", first, false)
	m.use(minterKeys)
	m.check("its key is back", first, false)
	second := m.mint(keyOne, "a")
	m.check("minted since", second, true)
	m.stop()
	m.start(minterKeys)
	m.check("its key is back, after a restart", first, false)
	m.check("minted since, after a restart", second, true)
	m.stop()

	m.start(onlyTwo)
	m.check("its key was removed while the gateway was down", second, false)
	m.stop()
	m.start(minterKeys)
	m.check("its key is back after a start without it", second, false)
	m.check("that of another key", other, true)
	third := m.mint(keyOne, "a")
	m.check("minted since then", third, true)
	m.use(onlyTwo)
	m.stop()
	rows := func(want int) {
		t.Helper()
		n := 0
		if err := m.log.Rows(rowMinter, func(eventlog.Row) error { n++; return nil }); err != nil || n != want {
			t.Errorf("%d rows, want %d: %v", n, want, err)
		}
	}
	m.start(onlyTwo)
	rows(2)
	m.stop()
	m.ahead = MaxTTL + time.Hour // for a moment: the clock may be set back
	m.start(onlyTwo)
	rows(2)
	m.stop()
	m.later = m.ahead // whatever it minted has expired
	m.start(onlyTwo)
	rows(1)
	m.stop()
}

// A request that was accepted before its key was removed mints no token afterwards.
func TestNothingIsMintedAfterRemoval(t *testing.T) {
	t.Parallel()
	m := &minting{T: t, dir: t.TempDir()}
	m.start(minterKeys)
	defer m.stop()
	id := m.a.bearer(t, keyOne)
	m.use(`[]`)
	if token, _, err := m.a.Mint(id, grant.Lists{Sub: []string{"a"}}, time.Hour); err == nil {
		t.Errorf("minted %s", token)
	}
}

// Nothing that leaves the gateway, or is stored for a key, helps to test a guess of the key: it depends on the gateway's
// secret. With the same secret, it is the same after a restart and at other gateways.
func TestIDsRevealNothingOfKeys(t *testing.T) {
	t.Parallel()
	shown := func(secret string) string {
		t.Helper()
		a := openMemory(t, Options{TokenSecret: secret, APIKeys: fmt.Sprintf(`[{"name":"web","key":%q,"sub":["a"]}]`, keyOne)})
		id := a.bearer(t, keyOne)
		token, _, err := a.Mint(id, grant.Lists{Sub: []string{"a"}}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		c, _, bad := a.own.tokens.parse(token)
		if bad != nil {
			t.Fatal(bad)
		}
		infos, err := json.Marshal(a.Keys())
		if err != nil || c.own.key != a.Keys()[0].ID || a.keys.byID(c.own.key) == nil {
			t.Fatal(err, c.own.key)
		}
		if strings.Contains(string(infos)+id.Scope, sum(keyOne)[:12]) {
			t.Errorf("%s %q", infos, id.Scope)
		}
		return c.own.key + " " + id.Scope + " " + string(infos)
	}
	one, again, two := shown(storeSecret), shown(storeSecret), shown(storeSecret+"x")
	if one != again {
		t.Errorf("it does not stay: %s\n%s", one, again)
	}
	for i, part := range strings.Split(one, " ") {
		if part == strings.Split(two, " ")[i] {
			t.Errorf("it shows without the secret: %s", part)
		}
	}
}

// If a removal cannot be stored, it takes effect nevertheless, and is stored later.
func TestRemovalIsStoredLater(t *testing.T) {
	t.Parallel()
	m := &minting{T: t, dir: t.TempDir()}
	m.start(minterKeys)
	token := m.mint(keyOne, "a")
	log := m.log
	engine, err := pebble.Open(pebble.Options{Dir: filepath.Join(m.dir, "closed")})
	if err != nil {
		t.Fatal(err)
	}
	closed, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	m.a.keys.minters.log = closed
	m.use(`[]`)
	m.use(minterKeys)
	m.check("its key was removed", token, false)
	m.a.keys.minters.log = log
	if _, _, err := m.a.CreateKey(context.Background(), KeyChange{Name: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	m.stop()
	m.start(minterKeys)
	m.check("its key was removed, after a restart", token, false)
	m.stop()
}
