package realtime_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/gateway/gatewaytest"
)

// vary is what differs between two runs of one story: ids, times and what is random.
var vary = regexp.MustCompile(`(?m)^((?:id|retry|Date|X-Request-Id): )[^\r\n]+|("(?:oldest|after|connection)":")[^"]+`)

// TestSameEnds: however a stream begins and ends, both writers give the same head and the same body, with TLS and without.
func TestSameEnds(t *testing.T) {
	t.Parallel()
	const key, secret = "k-0123456789abcdef", "ssssssssssssssssssssssssssssssss"
	tests := map[string]struct {
		lines []string // FIRST stands for the id of the first event
		key   func(exp time.Time) string
		keys  string // what the file of keys becomes while the stream is open
		last  string
	}{
		"gap":        {lines: []string{"Last-Event-ID: FIRST\r\n"}, last: "event: busy"},
		"revoked":    {keys: `[]`, last: `"reason":"revoked"`},
		"changed":    {keys: `[{"name":"k","key":"` + key + `","sub":["b"]}]`, last: `"reason":"changed"`},
		"keep-alive": {lines: []string{"Connection: keep-alive\r\n"}, last: "event: busy"},
		"close":      {lines: []string{"Connection: close\r\n", "Origin: https://a.example\r\n"}, last: "event: busy"},
		"expired": {last: `"reason":"exp"`, key: func(exp time.Time) string {
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": exp.Unix(), "realtime": []string{"*"}}).SignedString([]byte(secret))
			if err != nil {
				t.Fatal(err)
			}
			return token
		}},
	}
	for name, tt := range tests {
		story := func(t *testing.T, shards int, secure bool, version string) (head, body string) {
			file := filepath.Join(t.TempDir(), "keys.json")
			write := func(keys string) {
				if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(`[{"name":"k","key":"` + key + `","sub":["*"]}]`)
			g := newGateway(t, func(s *setup) {
				s.Shards, s.TLS, s.NoHTTP2, s.RetainBytes = shards, secure, secure, 4000
				s.APIKeysFile, s.JWTSecret = file, []string{secret}
			})
			ids := g.Put(t, gatewaytest.Events(30, "e", 100)...)
			if err := g.Broker.Log().Retain(t.Context()); err != nil {
				t.Fatal(err)
			}
			credential := key
			if tt.key != nil {
				credential = tt.key(time.Now().Add(2 * time.Second))
			}
			w := g.Wire(t, gatewaytest.WithVersion(version, gatewaytest.Get(credential, "", strings.ReplaceAll(strings.Join(tt.lines, ""), "FIRST", ids[0]))))
			for name == "gap" && w.Parser.LastEventID() != ids[len(ids)-1] {
				// Else what comes next may remove what is still to be read: another gap.
				if err := w.Pull(4 << 10); err != nil {
					t.Fatalf("%v after %q", err, w.Text)
				}
			}
			g.Put(t, gatewaytest.Events(3, "b", 10)...)
			for !strings.Contains(string(w.Text), "event: b\n") {
				if err := w.Pull(4 << 10); err != nil {
					t.Fatalf("%v after %q", err, w.Text)
				}
			}
			switch {
			case tt.keys != "":
				write(tt.keys)
			case tt.key == nil:
				go g.Traffic.Drain(context.Background(), g.Broker)
			}
			if err := w.ToEnd(); err != io.EOF {
				t.Fatalf("%v after %q", err, w.Text)
			}
			if last := w.Queue[len(w.Queue)-1]; !strings.Contains("event: "+last.Name+last.Data, tt.last) {
				t.Errorf("the last frame is %+v", last)
			}
			var lines strings.Builder
			fmt.Fprintf(&lines, "%s %s %v %v\n", w.Answer.Proto, w.Answer.Status, w.Answer.TransferEncoding, w.Answer.Close)
			if err := w.Answer.Header.Write(&lines); err != nil { // sorted: HTTP gives the order no meaning
				t.Fatal(err)
			}
			return vary.ReplaceAllString(lines.String(), "$1$2"), vary.ReplaceAllString(string(w.Text), "$1$2")
		}
		for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
			if name == "expired" && version == "HTTP/1.0" {
				continue // it takes two seconds, and differs in nothing
			}
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				wantHead, wantBody := story(t, -1, false, version)
				for _, secure := range []bool{false, true} {
					head, body := story(t, 1, secure, version)
					if head != wantHead {
						t.Errorf("shared, TLS %v:\n%s\ngoroutine:\n%s", secure, head, wantHead)
					}
					if body != wantBody {
						t.Errorf("shared, TLS %v:\n%q\ngoroutine:\n%q", secure, body[min(2049, len(body)):], wantBody[min(2049, len(wantBody)):])
					}
					if name == "gap" && !strings.Contains(body, "event: gap") {
						t.Errorf("no gap in %q", body[2049:])
					}
				}
			})
		}
	}
}
