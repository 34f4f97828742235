package load

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// token makes a token for a subscriber. Publishers use such a token too, so it may publish everything.
func (o *Options) token(i, channel string) (string, error) {
	if o.JWTSecret == "" {
		return "", errors.New("{token} needs a secret to sign with")
	}
	sub := strings.Split(fill(o.JWTSub, "{i}", i, "{channel}", channel), ",")
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "load-" + i, "exp": time.Now().Add(time.Hour).Unix(), "realtime": map[string]any{"sub": sub, "pub": []string{"*"}},
	}).SignedString([]byte(o.JWTSecret))
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return text, nil
}
