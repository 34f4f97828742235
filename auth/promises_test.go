package auth

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// REALTIME_GLOBAL lets every valid token do everything in /realtime, and nothing with documents. It makes no token valid.
func TestGlobalTokens(t *testing.T) {
	t.Parallel()
	a := newAuth(t, Options{Secrets: []string{testSecret}, Issuer: "us", Global: true})
	exp := time.Now().Unix() + 60
	id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{hs(t, fmt.Sprintf(`{"iss":"us","exp":%d,"realtime":["a"]}`, exp))}})
	if bad != nil || id.Sub.String() != "*" || id.Pub.String() != "*" || !id.Rest.Empty() {
		t.Errorf("a token of the issuer: %v %v", id, bad)
	}
	if id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{hs(t, fmt.Sprintf(`{"iss":"them","exp":%d}`, exp))}}); bad == nil {
		t.Errorf("a token of another issuer: %v", id)
	}
}

// For a key that can be guessed, the log has a warning with its name. The key works.
func TestShortKeyIsWarnedOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key  string
		warn bool
	}{{"fifteen-letters", true}, {"sixteen--letters", false}} {
		var log bytes.Buffer
		a := newAuth(t, Options{APIKeys: fmt.Sprintf(`[{"name":"web","key":%q}]`, tt.key), Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{tt.key}}); bad != nil {
			t.Errorf("%s: %v", tt.key, bad)
		}
		if text := log.String(); strings.Contains(text, "level=WARN") != tt.warn || tt.warn && !strings.Contains(text, "web") || strings.Contains(text, tt.key) {
			t.Errorf("%s: %s", tt.key, text)
		}
	}
}
