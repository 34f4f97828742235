package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/tries"
)

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

const testSecret = "0123456789abcdef0123456789abcdef"

// sign makes a token of raw header and claims, so that attacks can be written out.
func sign(t testing.TB, method jwt.SigningMethod, key any, header, claims string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sig, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func hs(t testing.TB, claims string) string {
	t.Helper()
	return sign(t, jwt.SigningMethodHS256, []byte(testSecret), `{"alg":"HS256","typ":"JWT"}`, claims)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	a := newAuth(t, Options{Secrets: []string{strings.Repeat("x", 32), testSecret}, Issuer: "us", Audience: "sluice", Leeway: 10 * time.Second,
		DefaultSub: []string{"inbox-{sub}", "news"}, DefaultPub: []string{"{sub}"}})
	now := time.Now().Unix()
	claims := func(format string, args ...any) string {
		return fmt.Sprintf(`{"iss":"us","aud":["x","sluice"],"exp":%d,`, now+60) + fmt.Sprintf(format, args...) + "}"
	}
	many := strings.TrimSuffix(strings.Repeat(`"a",`, 1001), ",")
	tests := []struct {
		name, claims string
		sub, pub     string // or a bad token, where sub is "!"
	}{
		{"object", claims(`"sub":"42","realtime":{"sub":["a"],"pub":["b"]}`), "a,inbox-42,news", "42,b"},
		{"list", claims(`"sub":"42","realtime":["a"]`), "a,inbox-42,news", "42"},
		{"no claim", claims(`"sub":"42"`), "inbox-42,news", "42"},
		{"no subject", claims(`"realtime":["a"]`), "a,news", ""},
		{"a subject that would reach further", claims(`"sub":"*"`), "news", ""},
		{"a subject that would be a channel", claims(`"sub":"PUT:customer"`), "news", ""},
		{"another shape grants nothing", claims(`"realtime":"*"`), "news", ""},
		{"another shape inside", claims(`"realtime":{"sub":"*","pub":["b"]}`), "news", ""},
		{"a list with a number", claims(`"realtime":["*",1]`), "news", ""},
		{"an invalid pattern matches nothing", claims(`"realtime":["put","a"]`), "a,news", ""},
		{"over a thousand", claims(`"realtime":[%s]`, many), "!", ""},
		{"over a thousand in three lists", claims(`"realtime":{"sub":[%s],"pub":["a"],"rest":["GET:c"]}`, many[:len(many)-8]), "!", ""},
		{"repeated inside", claims(`"realtime":{"sub":["a"],"sub":["*"]}`), "!", ""},
		{"no exp", `{"iss":"us","aud":"sluice"}`, "!", ""},
		{"expired", fmt.Sprintf(`{"iss":"us","aud":"sluice","exp":%d}`, now-1), "!", ""},
		{"exp as text", `{"iss":"us","aud":"sluice","exp":"9999999999"}`, "!", ""},
		{"exp null", `{"iss":"us","aud":"sluice","exp":null}`, "!", ""},
		{"exp beyond all dates", `{"iss":"us","aud":"sluice","exp":1e300}`, "!", ""},
		{"another EXP", fmt.Sprintf(`{"iss":"us","aud":"sluice","exp":%d,"EXP":%d}`, now-60, now+60), "!", ""},
		{"only EXP", fmt.Sprintf(`{"iss":"us","aud":"sluice","EXP":%d}`, now+60), "!", ""},
		{"exp twice", fmt.Sprintf(`{"iss":"us","aud":"sluice","exp":%d,"exp":%d}`, now-60, now+60), "!", ""},
		{"exp twice by escape", fmt.Sprintf(`{"iss":"us","aud":"sluice","exp":%d,"\u0065xp":%d}`, now-60, now+60), "!", ""},
		{"nbf within the leeway", claims(`"nbf":%d`, now+5), "news", ""},
		{"nbf ahead", claims(`"nbf":%d`, now+30), "!", ""},
		{"iat ahead", claims(`"iat":%d`, now+30), "!", ""},
		{"nbf as text", claims(`"nbf":"0"`), "!", ""},
		{"another issuer", fmt.Sprintf(`{"iss":"them","aud":"sluice","exp":%d}`, now+60), "!", ""},
		{"no issuer", fmt.Sprintf(`{"aud":"sluice","exp":%d}`, now+60), "!", ""},
		{"issuer as list", fmt.Sprintf(`{"iss":["us"],"aud":"sluice","exp":%d}`, now+60), "!", ""},
		{"another audience", fmt.Sprintf(`{"iss":"us","aud":"x","exp":%d}`, now+60), "!", ""},
		{"audience of another shape", fmt.Sprintf(`{"iss":"us","aud":{"sluice":1},"exp":%d}`, now+60), "!", ""},
		{"subject as number", claims(`"sub":42`), "!", ""},
		{"no object", `[]`, "!", ""},
		{"garbage behind", claims(`"sub":"42"`) + "x", "!", ""},
		{"too large", claims(`"x":%q`, strings.Repeat("x", 8<<10)), "!", ""},
	}
	for _, tt := range tests {
		for range 2 { // the second time from the cache
			id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{hs(t, tt.claims)}})
			switch {
			case tt.sub == "!" && (bad == nil || bad.Status != 401):
				t.Errorf("%s: it was taken: %v", tt.name, bad)
			case tt.sub != "!" && bad != nil:
				t.Errorf("%s: %v", tt.name, bad)
			case tt.sub != "!" && (id.Sub.String() != tt.sub || id.Pub.String() != tt.pub || id.Expires.Unix() != now+60):
				t.Errorf("%s: sub %q pub %q until %s", tt.name, id.Sub, id.Pub, id.Expires)
			}
		}
	}
}

func TestHeaderAttacks(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, public, 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAuth(t, Options{PublicKeyFile: file})
	claims := fmt.Sprintf(`{"exp":%d}`, time.Now().Unix()+60)
	tests := []struct {
		name, header string
		method       jwt.SigningMethod
		key          any
		ok           bool
	}{
		{"as it should be", `{"alg":"RS256"}`, jwt.SigningMethodRS256, private, true},
		{"the same family", `{"alg":"PS512"}`, jwt.SigningMethodPS512, private, true},
		{"none", `{"alg":"none"}`, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, false},
		{"secret out of the public key", `{"alg":"HS256"}`, jwt.SigningMethodHS256, public, false},
		{"crit", `{"alg":"RS256","crit":["exp"]}`, jwt.SigningMethodRS256, private, false},
		{"repeated alg", `{"alg":"none","alg":"RS256"}`, jwt.SigningMethodRS256, private, false},
		{"kid of another kind", `{"alg":"RS256","kid":{}}`, jwt.SigningMethodRS256, private, false},
		{"other case", `{"ALG":"RS256"}`, jwt.SigningMethodRS256, private, false},
	}
	for _, tt := range tests {
		_, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{sign(t, tt.method, tt.key, tt.header, claims)}})
		if (bad == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, bad)
		}
	}
	good := sign(t, jwt.SigningMethodRS256, private, `{"alg":"RS256"}`, claims)
	for name, token := range map[string]string{"padding": good + "=", "cut": good[:len(good)-4], "line break": good + "\n", "empty": ".."} {
		if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}}); bad == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestWycheproof: no vector is accepted, because none has claims. If the group's key is of a supported kind, its signatures
// are valid or invalid as the vectors demand.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/wycheproof_json_web_signature_test.json")
	if err != nil {
		t.Fatal(err)
	}
	type vector struct {
		TcID        int
		JWS, Result string
	}
	type group struct {
		Public, Private json.RawMessage
		Tests           []vector
	}
	var suite struct{ TestGroups []group }
	if err := json.Unmarshal(text, &suite); err != nil {
		t.Fatal(err)
	}
	judged, refused := 0, 0
	for _, g := range suite.TestGroups {
		keys := vectorKeys(g.Public, g.Private)
		for _, v := range g.Tests {
			refused++
			if keys == nil {
				continue
			}
			a := &Authenticator{keys: &keyring{}, tokens: newTokens(keys, Options{Now: time.Now}, &limiters{}, newRevoked()), now: time.Now, guesses: tries.NewGuard(tries.Limit{Burst: math.MaxInt32})}
			empty := map[[sha256.Size]byte]*Key{}
			a.keys.current.Store(&empty)
			if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{v.JWS}}); bad == nil {
				t.Errorf("vector %d was let in", v.TcID)
			}
			ok := signatureHolds(keys, v.JWS)
			// 367 and 370 are about wrong padding, but their text is a well-formed token with a right signature.
			if v.Result == "invalid" && ok && v.TcID != 367 && v.TcID != 370 {
				t.Errorf("vector %d: an invalid signature holds", v.TcID)
			}
			if v.Result == "valid" && ok {
				judged++
			}
		}
	}
	if refused < 100 || judged < 5 {
		t.Errorf("%d vectors, %d valid signatures", refused, judged)
	}
}

func vectorKeys(public, private json.RawMessage) keySet {
	if len(public) > 0 {
		if keys, err := parseJWKS([]byte(`{"keys":[` + string(public) + `]}`)); err == nil && len(keys) > 0 {
			return &jwks{keyList: keyList{keys: keys}, loaded: true, now: time.Now, tried: time.Now(), asked: time.Now()}
		}
		return nil
	}
	var k jose.JSONWebKey
	if len(private) > 0 && k.UnmarshalJSON(private) == nil {
		if secret, ok := k.Key.([]byte); ok {
			keys := secretKeys([]string{string(secret)})
			if strings.HasPrefix(k.Algorithm, "HS") { // a JWK's alg binds
				keys.algs, keys.keys[0].algs = []string{k.Algorithm}, []string{k.Algorithm}
			}
			return keys
		}
	}
	return nil
}

func signatureHolds(keys keySet, token string) bool {
	if checkForm(token) != nil {
		return false
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	parser := jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithValidMethods(keys.algorithms()), jwt.WithoutClaimsValidation())
	tk := &tokens{keys: keys, parser: parser}
	head, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	var h struct{ Alg, Kid string }
	if err != nil || json.Unmarshal(head, &h) != nil || jwt.GetSigningMethod(h.Alg) == nil {
		return false
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return false
	}
	by, err := tk.signer(&jwt.Token{Raw: token, Signature: sig, Method: jwt.GetSigningMethod(h.Alg), Header: map[string]any{"kid": h.Kid}})
	return err == nil && jwt.GetSigningMethod(h.Alg).Verify(parts[0]+"."+parts[1], sig, by.key) == nil
}

func codeOf(e *Error) string {
	if e == nil {
		return ""
	}
	return e.Code
}

// exp is exact, leeway or not, from the cache too.
func TestExpIsExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, err := New(Options{Secrets: []string{testSecret}, Leeway: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		token := hs(t, fmt.Sprintf(`{"exp":%d}`, time.Now().Unix()+10))
		time.Sleep(10*time.Second - time.Nanosecond)
		if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}}); bad != nil {
			t.Errorf("just before: %v", bad)
		}
		time.Sleep(time.Nanosecond)
		if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}}); codeOf(bad) != "expired_token" {
			t.Errorf("at exp: %v", bad)
		}
		fresh := hs(t, fmt.Sprintf(`{"exp":%d,"x":1}`, time.Now().Unix()))
		if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{fresh}}); codeOf(bad) != "expired_token" {
			t.Errorf("at exp, not cached: %v", bad)
		}
	})
}

func FuzzToken(f *testing.F) {
	a, err := New(Options{Secrets: []string{testSecret}})
	if err != nil {
		f.Fatal(err)
	}
	defer a.Close()
	f.Add(`{"alg":"HS256"}`, `{"exp":9999999999,"realtime":{"sub":["a"]}}`)
	f.Add(`{"alg":"HS256","crit":[]}`, `{"exp":1e400}`)
	f.Add(`{}`, `[]`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{sign(t, jwt.SigningMethodHS256, []byte(testSecret), header, claims)}})
		if bad != nil && bad.Status != 401 || bad == nil && (id.Expires.IsZero() || !strings.Contains(header, "HS256")) {
			t.Errorf("%s %s: %v %v", header, claims, id, bad)
		}
	})
}

// numbered returns the names of n channels.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("topic%02d-42", i)
	}
	return names
}

func BenchmarkAuthenticate(b *testing.B) {
	keys := newAuth(b, Options{APIKeys: fmt.Sprintf(`[{"name":"one","key":%q,"sub":["a"]}]`, keyOne), Secrets: []string{testSecret}})
	token := hs(b, `{"exp":9999999999,"realtime":["a","b","c"]}`)
	for name, value := range map[string]string{"key": keyOne, "cached token": token} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			sent := Carriers{Bearer: []string{value}, From: "192.0.2.1"}
			for b.Loop() {
				if _, bad := keys.Authenticate(context.Background(), sent); bad != nil {
					b.Fatal(bad)
				}
			}
		})
	}
	many, err := json.Marshal(map[string]any{"exp": 9999999999, "sub": "42", "realtime": map[string]any{"sub": numbered(20), "pub": []string{"*"}}})
	if err != nil {
		b.Fatal(err)
	}
	for name, token := range map[string]string{"token": token, "token of 20 channels": hs(b, string(many))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				clear(keys.tokens.cache.entries)
				if _, bad := keys.Authenticate(context.Background(), Carriers{Bearer: []string{token}}); bad != nil {
					b.Fatal(bad)
				}
			}
		})
	}
}

// An error names the claim and what is wrong with it, but does not repeat the value of the claim.
func TestClaimFaults(t *testing.T) {
	t.Parallel()
	a := newAuth(t, Options{Secrets: []string{testSecret}, Issuer: "me", Audience: "us"})
	now := time.Now()
	base := fmt.Sprintf(`"iss":"me","aud":"us","exp":%d`, now.Add(time.Hour).Unix())
	for claims, want := range map[string]string{
		fmt.Sprintf(`{"iss":"me","aud":"us","exp":%d}`, now.Add(time.Hour).UnixMilli()): "claim exp must be a number of seconds since 1970; it looks like milliseconds",
		`{"iss":"me","aud":"us","exp":"1796000000"}`:                                    "claim exp must be a number of seconds since 1970, not a string",
		`{"iss":"me","aud":"us","exp":null}`:                                            "claim exp must be a number of seconds since 1970, not null",
		`{"iss":"me","aud":"us","exp":-1}`:                                              "claim exp must be a number of seconds since 1970; it is before 1970",
		`{` + base + `,"nbf":true}`:                                                     "claim nbf must be a number of seconds since 1970, not true or false",
		`{` + base + `,"iat":[]}`:                                                       "claim iat must be a number of seconds since 1970, not a list",
		`{` + base + `,"sub":42}`:                                                       "claim sub must be a string, not a number",
		`{` + base + `,"jti":{}}`:                                                       "claim jti must be a string, not an object",
		`{"iss":"me","aud":"us"}`:                                                       "claim exp is missing",
		`{"iss":1,"aud":"us","exp":1}`:                                                  "claim iss must be a string, not a number",
		fmt.Sprintf(`{"iss":"me","aud":7,"exp":%d}`, now.Add(time.Hour).Unix()):         "claim aud must be a string or a list of strings, not a number",
		fmt.Sprintf(`{"aud":"us","exp":%d}`, now.Add(time.Hour).Unix()):                 "claim iss is missing",
		fmt.Sprintf(`{"iss":"me","exp":%d}`, now.Add(time.Hour).Unix()):                 "claim aud is missing",
	} {
		token := sign(t, jwt.SigningMethodHS256, []byte(testSecret), `{"alg":"HS256"}`, claims)
		_, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}})
		if codeOf(bad) != "invalid_token" || bad.Message != "the token is not valid: "+want {
			t.Errorf("%s: %v, want %q", claims, bad, want)
		}
	}
}
