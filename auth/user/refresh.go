package user

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// A refresh token is the user's id, a dot, and three parts in base64. The first is the id of its session. The second is a
// proof, which all refresh tokens of the session have in common. The third is a secret of its own. In an earlier version,
// there was only the secret.
const (
	sessionID   = 16
	proofBytes  = 32
	secretBytes = 32
)

// refreshToken is a parsed refresh token.
type refreshToken struct {
	user    string
	session string
	proof   []byte            // nil in tokens of an earlier version
	known   [sha256.Size]byte // hash of the proof
	whole   [sha256.Size]byte // hash of the token
}

// parseRefresh parses a token, which anybody may have made up. It returns false if the token has another form.
func parseRefresh(token string) (t refreshToken, ok bool) {
	user, text, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return t, false
	}
	t = refreshToken{user: user, whole: sha256.Sum256([]byte(token))}
	switch len(raw) {
	case sessionID + proofBytes + secretBytes:
		t.session, t.proof = hex.EncodeToString(raw[:sessionID]), raw[sessionID:sessionID+proofBytes]
		t.known = sha256.Sum256(t.proof)
	case secretBytes:
		t.session, t.known = hex.EncodeToString(t.whole[:]), t.whole
	default:
		return t, false
	}
	return t, true
}

// next makes the token that follows this one in its session. For the zero value, or a token of an earlier version, it makes
// the first token of a new session.
func (t *refreshToken) next(user string) (string, refreshToken) {
	raw := make([]byte, sessionID+proofBytes+secretBytes)
	rand.Read(raw) // its documentation says that it never fails
	if t.proof != nil {
		hex.Decode(raw, []byte(t.session)) // parseRefresh made it with EncodeToString
		copy(raw[sessionID:], t.proof)
	}
	text := user + "." + base64.RawURLEncoding.EncodeToString(raw)
	made, _ := parseRefresh(text)
	return text, made
}

// SessionOf returns the id of a refresh token's session.
func SessionOf(token string) string {
	t, _ := parseRefresh(token)
	return t.session
}
