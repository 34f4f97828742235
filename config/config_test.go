package config_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/config"
)

// secret is long enough to be any key or secret.
const secret = "correct-horse-battery-staple-0123456789"

// load reads an environment without a .env file.
func load(environ ...string) (*config.Config, config.Faults) {
	c, err := config.Load(environ, "")
	return c, faultsOf(err)
}

func faultsOf(err error) config.Faults {
	if err == nil {
		return nil
	}
	return err.(config.Faults) // Load promises just this type
}

// write makes a file in a folder of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDefaults compares the struct with the names and defaults that users rely on.
func TestDefaults(t *testing.T) {
	t.Parallel()
	promised := map[string]string{
		"ADDR": "127.0.0.1:8080", "DATA_DIR": "./data", "DURABILITY": "process", "API_KEYS": "", "API_KEYS_FILE": "",
		"JWT_SECRET": "", "JWT_PUBLIC_KEY_FILE": "", "JWT_JWKS_URL": "", "JWT_ISSUER": "", "JWT_AUDIENCE": "", "JWT_LEEWAY": "10s", "JWT_JWKS_REFRESH": "5m",
		"JWT_DEFAULT_SUB": "", "JWT_DEFAULT_PUB": "", "REALTIME_GLOBAL": "false", "QUERY_CREDENTIALS": "true", "ADMIN_KEY": "", "CREDENTIAL_COOKIE": "", "CORS_HEADERS": "",
		"CLUSTER_URL": "", "CLUSTER_NAME": "sluice", "CLUSTER_NODE": "", "CLUSTER_SECRET": "", "CLUSTER_CREDENTIALS": "", "CLUSTER_CA": "", "CLUSTER_CERT": "", "CLUSTER_KEY": "",
		"AUTH_URL": "", "AUTH_FORWARD": "Cookie,Authorization", "AUTH_TIMEOUT": "3s", "AUTH_GRACE": "1m", "AUTH_CONCURRENCY": "64", "AUTH_SECRET": "",
		"TOKEN_SECRET": "", "CORS_ORIGINS": "*", "CUSTOM_EVENT_FRAME": "name", "PING_INTERVAL": "15s", "RETRY_CONNECT": "2s",
		"RETRY_EVENT": "10s", "WRITE_TIMEOUT": "30s", "READ_HEADER_TIMEOUT": "10s", "READ_TIMEOUT": "20s", "DRAIN_TIMEOUT": "10s",
		"RETAIN_AGE": "72h", "RETAIN_BYTES": "4GiB", "AUDIT_RETAIN_AGE": "2160h", "AUDIT_RETAIN_BYTES": "64MiB", "MAX_CONNECTIONS": "0", "MAX_CONNECTIONS_PER_KEY": "0", "PUBLISH_RATE": "0",
		"MAX_PENDING": "1000", "MAX_MEMORY_PER_KEY": "64MiB", "MAX_CLIENT_MEMORY": "256MiB",
		"MAX_BODY": "1MiB", "MAX_EVENT": "64KiB", "TRUSTED_PROXIES": "", "TLS_CERT_FILE": "", "TLS_KEY_FILE": "", "METRICS_ADDR": "",
		"LOG_LEVEL": "info", "LOG_FORMAT": "text", "PERSISTR_DEMO": "false",
		"MAX_DATABASES": "100", "MAX_DATABASE_BYTES": "1GiB", "MAX_ACCOUNT_BYTES": "4GiB", "ROOM_CREATE": "off", "ROOM_RETENTION": "24h", "MAX_ROOM_BYTES": "4MiB", "MAX_ROOM_KEYS": "10000", "MAX_ROOMS": "100000", "ROOM_CREATE_RATE": "60", "ROOM_CREATE_RATE_ALL": "600", "ROOM_CREATE_RATE_KEY": "6000", "ROOM_UNUSED": "10m",
		"COLLECTION_INDEXES": "", "MAX_DOCUMENT": "64KiB", "MAX_DOCUMENTS": "1000000", "MAX_COLLECTION_BYTES": "1GiB",
		"MAX_COLLECTIONS": "1000", "MAX_RESULT": "16MiB", "QUERY_TIME": "2s",
		"MAX_ROOM_CONNECTIONS": "10000", "ROOM_RATE": "2000", "ROOM_CONNECTION_RATE": "300", "ROOM_FLOOD_TIMEOUT": "5m",
		"WEBSOCKET_AUTH": "handshake", "WEBSOCKET_AUTH_TIMEOUT": "10s", "WEBSOCKET_HEARTBEAT": "30s",
	}
	c, faults := load()
	if faults != nil {
		t.Fatal(faults)
	}
	for _, s := range c.Effective() {
		want, known := promised[s.Name]
		if !known || s.Default != want || s.Value != want || s.Source != "default" || s.Doc == "" {
			t.Errorf("%+v: want the default %q, known %v", s, want, known)
		}
		delete(promised, s.Name)
	}
	if len(promised) > 0 {
		t.Errorf("missing: %v", promised)
	}
}

// TestValues: each setting has the value that was set.
func TestValues(t *testing.T) {
	t.Parallel()
	c, faults := load("ADDR=[::1]:0", "DURABILITY=disk", "CUSTOM_EVENT_FRAME=publish", "RETRY_EVENT=0", "RETAIN_BYTES=1.5GiB", "MAX_BODY=100",
		"MAX_EVENT=100B", "PUBLISH_RATE=0.5", "MAX_CONNECTIONS=7", "REALTIME_GLOBAL=true", "QUERY_CREDENTIALS=false", "LOG_LEVEL=debug",
		"LOG_FORMAT=json", "WEBSOCKET_AUTH=strict", "JWT_SECRET="+secret+", "+secret+"2", "JWT_DEFAULT_SUB=inbox-{sub}, PUT:customer,*", "TRUSTED_PROXIES=10.0.0.1,192.168.0.0/16,::1",
		"CORS_ORIGINS=https://example.com,http://localhost:3000", "JWT_JWKS_URL=http://127.0.0.1:9/keys", "RETRY_CONNECT=1500ms",
		"CREDENTIAL_COOKIE=__Host-session", "CORS_HEADERS=traceparent, baggage")
	// The only mistake here is that there are two sources of tokens.
	if len(faults) != 2 {
		t.Fatal(faults)
	}
	for _, x := range []struct{ got, want any }{
		{c.Addr, "[::1]:0"}, {c.Durability, config.DurabilityDisk}, {c.CustomEventFrame, config.FramePublish}, {c.RetryEvent, time.Duration(0)},
		{c.RetryConnect, 1500 * time.Millisecond}, {c.RetainBytes, config.Size(3 << 29)}, {c.MaxBody, config.Size(100)}, {c.MaxEvent, config.Size(100)},
		{c.PublishRate, 0.5}, {c.MaxConnections, 7}, {c.RealtimeGlobal, true}, {c.QueryCredentials, false}, {c.LogLevel, slog.LevelDebug},
		{c.LogFormat, config.LogFormat("json")}, {fmt.Sprint(c.JWTSecret), fmt.Sprint([]string{secret, secret + "2"})},
		{fmt.Sprint(c.JWTDefaultSub), "[inbox-{sub} PUT:customer *]"}, {fmt.Sprint(c.TrustedProxies), "[10.0.0.1/32 192.168.0.0/16 ::1/128]"},
		{fmt.Sprint(c.CORSOrigins), "[https://example.com http://localhost:3000]"}, {c.PingInterval, 15 * time.Second},
		{c.WebSocketAuth, config.SocketStrict}, {c.CredentialCookie, "__Host-session"}, {fmt.Sprint(c.CORSHeaders), "[traceparent baggage]"},
	} {
		if x.got != x.want {
			t.Errorf("got %v, want %v", x.got, x.want)
		}
	}
}

// TestLimits crosses the bounds: the last good value and the first bad one.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, good, bad string }{
		{"ADDR", ":65535", ":65536"},
		{"PING_INTERVAL", "100ms", "99ms"},
		{"PING_INTERVAL", "1h", "1h1ns"},
		{"RETRY_CONNECT", "1ms", "999us"},
		{"RETRY_EVENT", "1ms", "999us"},
		{"RETRY_EVENT", "0", "-1ms"},
		{"RETAIN_BYTES", "1", "0"},
		{"MAX_EVENT", "1MiB", "1048577"},
		{"MAX_BODY", "64KiB", "65535"},
		{"MAX_CONNECTIONS", "0", "-1"},
		{"MAX_PENDING", "8", "7"},
		{"MAX_MEMORY_PER_KEY", "256MiB", "257MiB"},
		{"MAX_CLIENT_MEMORY", "64MiB", "63MiB"},
		{"PUBLISH_RATE", "0", "-0.1"},
		{"JWT_LEEWAY", "5m", "5m1s"},
		{"ADMIN_KEY", strings.Repeat("a", 16), strings.Repeat("a", 15)},
		{"ADMIN_KEY", strings.Repeat("é", 16), strings.Repeat("é", 15)},
		{"AUTH_SECRET", strings.Repeat("a", 32), strings.Repeat("a", 31)},
		{"AUTH_TIMEOUT", "1m", "1m1ns"},
		{"AUTH_GRACE", "0s", "-1s"},
		{"AUTH_CONCURRENCY", "1", "0"},
		{"AUTH_FORWARD", "X-0" + numbered(1, 20), "X-0" + numbered(1, 21)},
		{"TOKEN_SECRET", strings.Repeat("a", 32), strings.Repeat("a", 31)},
		{"JWT_SECRET", strings.Repeat("a", 32), strings.Repeat("a", 31)},
		{"JWT_DEFAULT_SUB", strings.Repeat("a,", 999) + "a", strings.Repeat("a,", 1000) + "a"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			if _, faults := load(x.name + "=" + x.good); faults != nil {
				t.Errorf("%s: %v", x.good, faults)
			}
			if _, faults := load(x.name + "=" + x.bad); len(faults) != 1 {
				t.Errorf("%s: %v", x.bad, faults)
			}
		})
	}
}

// numbered is a list of names of headers, behind another.
func numbered(from, to int) (list string) {
	for n := from; n < to; n++ {
		list += fmt.Sprint(",X-", n)
	}
	return list
}

func TestEmptyIsNotSet(t *testing.T) {
	t.Parallel()
	all, _ := load()
	var environ []string
	for _, s := range all.Effective() {
		environ = append(environ, s.Name+"=")
	}
	c, err := config.Load(environ, write(t, ".env", strings.Join(environ, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Effective() {
		if s.Source != "default" {
			t.Errorf("%+v", s)
		}
	}
}

func TestEnvironmentWins(t *testing.T) {
	t.Parallel()
	dotenv := write(t, ".env", "PING_INTERVAL=1s\nRETRY_CONNECT=3s # a comment\nexport LOG_FORMAT='json'\r\nWRITE_TIMEOUT=9s\n")
	c, err := config.Load([]string{"PING_INTERVAL=7s", "WRITE_TIMEOUT=", "UNKNOWN=x"}, dotenv)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"PING_INTERVAL": "7s environment", "RETRY_CONNECT": "3s .env", "LOG_FORMAT": "json .env",
		"WRITE_TIMEOUT": "9s .env", "READ_TIMEOUT": "20s default"}
	for _, s := range c.Effective() {
		if w, ok := want[s.Name]; ok && w != s.Value+" "+s.Source {
			t.Errorf("%s: got %s %s, want %s", s.Name, s.Value, s.Source, w)
		}
	}
}

func TestDotenvFaults(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ what, text, want string }{
		{"no =", "ADDR=:1\n\nADMIN_KEY " + secret + "\nLOG_LEVEL=info\n", "line 3"},
		{"no = in the last line", "ADDR=:1\n" + secret, "line 2"},
		{"no name", "=" + secret, "line 1"},
		{"an open quote", "ADDR=:1\nADMIN_KEY=\"" + secret + "\nLOG_LEVEL=info\n", "line 2"},
		{"text behind a quote", "ADMIN_KEY='" + secret + "' ! " + secret, "line 1"},
		{"behind a value of three lines", "# x\nJWT_ISSUER=\"a\nb\nc\"\n!\n", "line 5"},
		{"Windows line ends", "ADDR=:1\r\n! " + secret + "\r\n", "line 2"},
	} {
		t.Run(x.what, func(t *testing.T) {
			t.Parallel()
			name := write(t, ".env", x.text)
			_, err := config.Load([]string{"PING_INTERVAL=never"}, name)
			faults := faultsOf(err)
			// The environment is checked in spite of the fault in .env.
			if len(faults) != 2 || faults[0].Name != ".env" || faults[1].Name != "PING_INTERVAL" {
				t.Fatal(err)
			}
			if !strings.Contains(faults[0].Why, name+", "+x.want+":") {
				t.Errorf("got %q, want the file and %s", faults[0].Why, x.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		t.Parallel()
		if _, err := config.Load(nil, t.TempDir()); len(faultsOf(err)) != 1 {
			t.Error(err)
		}
	})
	t.Run("a byte order mark", func(t *testing.T) {
		t.Parallel()
		c, err := config.Load(nil, write(t, ".env", "\xef\xbb\xbfADDR=:1\n"))
		if err != nil || c.Addr != ":1" {
			t.Error(c.Addr, err)
		}
	})
}

func ExampleLoad() {
	_, err := config.Load([]string{"PING_INTERVAL=15", "ADMIN_KEY=hunter2"}, ".env")
	fmt.Println(err)
	// Output:
	// 2 setting(s) cannot be used; nothing was started:
	//   ADMIN_KEY=***: must have 16 characters or more, no control characters, and no white space at either end
	//   PING_INTERVAL=15: must be a duration from 100ms to 1h, such as 15s
}
