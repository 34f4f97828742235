package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/config"
)

// bad has, for each setting that can be wrong by itself, bad values and the text that the fault must contain.
func bad(t *testing.T) map[string]struct {
	values  []string
	allowed string
} {
	missing := filepath.Join(t.TempDir(), "missing")
	folder := t.TempDir()
	files := []string{missing, folder, missing + "/deeper"}
	const fileAllowed = "must name a file that can be read"
	return map[string]struct {
		values  []string
		allowed string
	}{
		"ADDR":                    {[]string{"8080", "localhost", ":x", ":-1", "http://a:80", "a b:80", "a/b:80", "::1:80", "x:80:80"}, "host:port"},
		"DATA_DIR":                {[]string{os.Args[0], os.Args[0] + "/x"}, "must be a folder, or 'memory'"},
		"DURABILITY":              {[]string{"disc", "DISK", " disk"}, "must be process or disk"},
		"API_KEYS_FILE":           {files, fileAllowed},
		"JWT_SECRET":              {[]string{"short", secret + ",short", secret + ",," + secret, ","}, "comma-separated"},
		"JWT_PUBLIC_KEY_FILE":     {files, fileAllowed},
		"JWT_JWKS_URL":            {[]string{"x", "http://example.com/keys", "ftp://127.0.0.1/", "https://", "https://:443/", "//example.com", ":", "http://localhost.evil.com/"}, "must be an https address (http only on loopback)"},
		"JWT_JWKS_REFRESH":        {[]string{"0", "10", "100ms", "25h"}, "must be a duration from 1s to 24h, such as 5m"},
		"JWT_LEEWAY":              {[]string{"10", "-1s", "1h"}, "must be a duration from 0s to 5m, such as 10s"},
		"JWT_DEFAULT_SUB":         {[]string{"put", "a:b:c", ":a", "a,,b", "{sub}:", "$x"}, "must be"},
		"JWT_DEFAULT_PUB":         {[]string{"DELETE", "a*b"}, "must be patterns, such as"},
		"AUTH_URL":                {[]string{"x", "http://app.example/auth", "ftp://127.0.0.1/", "https://", "//app.example", "https://app.example/#a"}, "must be an https address (http only on loopback)"},
		"AUTH_FORWARD":            {[]string{"Cookie,", "a b", "Cookie,cookie", "Host", "x-forwarded-for", "X-Apikey", "upgrade", "sluice-signature", "*,Ä"}, "must"},
		"AUTH_TIMEOUT":            {[]string{"0", "1", "2m"}, "must be a duration from 10ms to 1m, such as 3s"},
		"AUTH_GRACE":              {[]string{"-1s", "25h", "x"}, "must be a duration from 0s to 24h, such as 1m"},
		"AUTH_CONCURRENCY":        {[]string{"0", "-1", "many", "10001"}, "must be a whole number from 1 to 10000"},
		"AUTH_SECRET":             {[]string{"short"}, "must have 32 bytes or more"},
		"REALTIME_GLOBAL":         {[]string{"yes", "on", "2"}, "must be true or false"},
		"QUERY_CREDENTIALS":       {[]string{"no"}, "must be true or false"},
		"CREDENTIAL_COOKIE":       {[]string{"a b", "a;b", "a=b", "a,b", "ä"}, "must be the name of one cookie"},
		"CORS_HEADERS":            {[]string{"*", "x-*", "traceparent,*", "a b", "a:b", "ä", "traceparent,,baggage"}, "must be"},
		"ADMIN_KEY":               {[]string{"short", secret + "\n", " " + secret, "a\x00" + secret}, "16 characters or more"},
		"TOKEN_SECRET":            {[]string{"short"}, "must have 32 bytes or more"},
		"CLUSTER_URL":             {[]string{"localhost:4222", "http://localhost:4222", "nats://", "nats://a,", "nats://a:x"}, "must be addresses of NATS servers"},
		"CLUSTER_NAME":            {[]string{"a.b", "a b", "*", ">", "ä", strings.Repeat("x", 33)}, "must have 1 to 32 letters"},
		"CLUSTER_NODE":            {[]string{"a.b", "a b", "*", strings.Repeat("x", 33)}, "must have 1 to 32 letters"},
		"CLUSTER_SECRET":          {[]string{"short", secret[:31]}, "must have 32 bytes or more"},
		"CLUSTER_CREDENTIALS":     {files, fileAllowed},
		"CLUSTER_CA":              {files, fileAllowed},
		"CLUSTER_CERT":            {[]string{missing}, fileAllowed},
		"CLUSTER_KEY":             {[]string{missing}, fileAllowed},
		"CORS_ORIGINS":            {[]string{"example.com", "https://example.com/", "https://Example.com", "https://a.b:443", "https://*.a.b", "https://u@a.b", "https://bücher.de", "https://a.b:", "https://a.b:0443", "http://127.1", "http://[0::1]", "null", "*,x", "a,"}, "must be"},
		"CUSTOM_EVENT_FRAME":      {[]string{"event"}, "must be name or publish"},
		"PING_INTERVAL":           {[]string{"15", "0s", "-1s", "2h", "99999999h", "NaN", "1d"}, "must be a duration from 100ms to 1h, such as 15s"},
		"RETRY_CONNECT":           {[]string{"0", "x"}, "must be a duration from 1ms to 1h, such as 2s"},
		"RETRY_EVENT":             {[]string{"-1s", "x"}, "must be a duration from 0s to 1h, such as 10s"},
		"WRITE_TIMEOUT":           {[]string{"0", "x"}, "must be a duration from 1ms to 1h, such as 30s"},
		"READ_HEADER_TIMEOUT":     {[]string{"0", "x"}, "must be a duration from 1ms to 1h, such as 10s"},
		"READ_TIMEOUT":            {[]string{"0", "x"}, "must be a duration from 1ms to 1h, such as 20s"},
		"DRAIN_TIMEOUT":           {[]string{"0", "x"}, "must be a duration from 1ms to 1h, such as 10s"},
		"RETAIN_AGE":              {[]string{"0", "3d", "-1h"}, "must be a duration from 1ms to 876000h, such as 72h"},
		"AUDIT_RETAIN_AGE":        {[]string{"0", "90d"}, "must be a duration from 1ms to 876000h, such as 2160h"},
		"AUDIT_RETAIN_BYTES":      {[]string{"0", "64MB"}, "must be a size of 1B or more, such as 64MiB"},
		"RETAIN_BYTES":            {[]string{"0", "-1", "4GB", "4 G", "1e9", "0x10", "Inf", "NaN", "KiB", ".", "9999999TiB"}, "must be a size of 1B or more, such as 4GiB"},
		"MAX_CONNECTIONS":         {[]string{"-1", "1.5", "many", "99999999999999999999"}, "must be a whole number of 0 or more"},
		"MAX_CONNECTIONS_PER_KEY": {[]string{"-1", "x"}, "must be a whole number of 0 or more"},
		"MAX_PENDING":             {[]string{"7", "x"}, "must be a whole number of 8 or more"},
		"MAX_MEMORY_PER_KEY":      {[]string{"1023KiB", "x"}, "must be a size of 1MiB or more, such as 64MiB"},
		"MAX_CLIENT_MEMORY":       {[]string{"1023KiB", "x"}, "must be a size of 1MiB or more, such as 256MiB"},
		"PUBLISH_RATE":            {[]string{"-1", "x", "NaN", "Inf", "1e10"}, "must be a number from 0 to 1000000000"},
		"MAX_BODY":                {[]string{"0", "x"}, "must be a size of 1B or more, such as 1MiB"},
		"MAX_EVENT":               {[]string{"0", "0.5B", "x"}, "must be a size of 1B or more, such as 64KiB"},
		"TRUSTED_PROXIES":         {[]string{"localhost", "10.0.0.0/33", "10.0.0.1,,::1", "10.0.0.1:80"}, "must be"},
		"TLS_CERT_FILE":           {[]string{missing}, fileAllowed},
		"TLS_KEY_FILE":            {[]string{missing}, fileAllowed},
		"METRICS_ADDR":            {[]string{"9090", "127.0.0.1:8080"}, "must be"},
		"MAX_DATABASES":           {[]string{"0", "-1", "many"}, "must be a whole number of 1 or more"},
		"MAX_DATABASE_BYTES":      {[]string{"0", "x"}, "must be a size of 1B or more, such as 1GiB"},
		"MAX_ACCOUNT_BYTES":       {[]string{"0", "x"}, "must be a size of 1B or more, such as 4GiB"},
		"ROOM_CREATE":             {[]string{"yes", "keys"}, "must be off or open or key"},
		"ROOM_RETENTION":          {[]string{"0s", "forever"}, "must be"},
		"ROOM_UNUSED":             {[]string{"0s", "forever"}, "must be"},
		"MAX_ROOMS":               {[]string{"0", "-1", "many"}, "must be a whole number of 1 or more"},
		"ROOM_CREATE_RATE":        {[]string{"0", "-1", "1.5", "1000000001"}, "must be a whole number from 1 to 1000000000"},
		"ROOM_CREATE_RATE_ALL":    {[]string{"0", "-1", "1.5", "1000000001"}, "must be a whole number from 1 to 1000000000"},
		"ROOM_CREATE_RATE_KEY":    {[]string{"0", "-1", "1.5", "1000000001"}, "must be a whole number from 1 to 1000000000"},
		"MAX_ROOM_BYTES":          {[]string{"0", "many"}, "must be"},
		"MAX_ROOM_KEYS":           {[]string{"0", "-1", "many"}, "must be"},
		"COLLECTION_INDEXES":      {[]string{"messages", ":a", "a:", "a:b,", "a:b;", "a:b;a:c"}, "must be like messages:date_created,user;customer:name"},
		"MAX_DOCUMENT":            {[]string{"0", "x"}, "must be a size of 1B or more, such as 64KiB"},
		"MAX_DOCUMENTS":           {[]string{"0", "-1", "many"}, "must be"},
		"MAX_COLLECTION_BYTES":    {[]string{"0", "x"}, "must be a size of 1B or more, such as 1GiB"},
		"MAX_COLLECTIONS":         {[]string{"0", "x"}, "must be"},
		"MAX_RESULT":              {[]string{"0", "x"}, "must be a size of 1B or more, such as 16MiB"},
		"QUERY_TIME":              {[]string{"0", "2m"}, "must be a duration from 1ms to 1m, such as 2s"},
		"MAX_ROOM_CONNECTIONS":    {[]string{"0", "-1", "many"}, "must be a whole number of 1 or more"},
		"ROOM_RATE":               {[]string{"0", "-1", "1.5", "1000000001"}, "must be a whole number from 1 to 1000000000"},
		"ROOM_CONNECTION_RATE":    {[]string{"0", "-1", "1.5", "1000000001"}, "must be a whole number from 1 to 1000000000"},
		"ROOM_FLOOD_TIMEOUT":      {[]string{"0", "999ms"}, "must be a duration from 1s to 876000h"},
		"WEBSOCKET_AUTH":          {[]string{"Strict", "off"}, "must be handshake or public or strict"},
		"WEBSOCKET_AUTH_TIMEOUT":  {[]string{"0", "2h"}, "must be a duration from 1ms to 1h, such as 10s"},
		"WEBSOCKET_HEARTBEAT":     {[]string{"0", "99ms"}, "must be a duration from 100ms to 1h, such as 30s"},
		"PERSISTR_DEMO":           {[]string{"yes", "demo"}, "must be true or false"},
		"LOG_LEVEL":               {[]string{"warning", "5", "trace"}, "must be debug, info, warn or error"},
		"LOG_FORMAT":              {[]string{"JSON", "logfmt"}, "must be text or json"},
	}
}

// free has the settings that accept any text, or that the caller checks.
var free = []string{"API_KEYS", "JWT_ISSUER", "JWT_AUDIENCE"}

// secrets has the settings whose values no message may show.
var secrets = []string{"API_KEYS", "JWT_SECRET", "ADMIN_KEY", "TOKEN_SECRET", "CLUSTER_SECRET", "AUTH_SECRET"}

func TestBadValues(t *testing.T) {
	t.Parallel()
	c, _ := load()
	table := bad(t)
	for _, s := range c.Effective() {
		if _, ok := table[s.Name]; !ok && !slices.Contains(free, s.Name) {
			t.Errorf("%s: no bad value in the table", s.Name)
		}
	}
	for name, x := range table {
		for _, value := range x.values {
			_, faults := load(name + "=" + value)
			// If half of a pair is set, the other half is a fault too.
			faults = slices.DeleteFunc(faults, func(f config.Fault) bool { return strings.HasPrefix(f.Why, "must be set too, because ") })
			if len(faults) != 1 || faults[0].Name != name || !strings.Contains(faults[0].Why, x.allowed) {
				t.Errorf("%s=%s: got %v, want one fault that says %q", name, value, faults, x.allowed)
				continue
			}
			if slices.Contains(secrets, name) {
				value = "***"
			}
			if line := faults[0].String(); !strings.Contains(line, strings.TrimSpace(value)) {
				t.Errorf("%s does not show the value %q", line, value)
			}
		}
	}
}

// TestAllFaultsAtOnce: one start reports all faults.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	var environ, want []string
	for name, x := range bad(t) {
		environ = append(environ, name+"="+x.values[0])
		want = append(want, name)
	}
	_, faults := load(environ...)
	for _, name := range want {
		if !strings.Contains(faults.Error(), "\n  "+name+"=") {
			t.Errorf("%s is missing in\n%v", name, faults)
		}
	}
}

// TestTogether: faults that need two settings.
func TestTogether(t *testing.T) {
	t.Parallel()
	file := write(t, "file", "")
	for _, x := range []struct {
		what    string
		environ []string
		want    []string // name: why
	}{
		{"a certificate without its key", []string{"TLS_CERT_FILE=" + file}, []string{"TLS_KEY_FILE=: must be set"}},
		{"a key without its certificate", []string{"TLS_KEY_FILE=" + file}, []string{"TLS_CERT_FILE=: must be set"}},
		{"both", []string{"TLS_KEY_FILE=" + file, "TLS_CERT_FILE=" + file}, nil},
		{"two token sources", []string{"JWT_SECRET=" + secret, "JWT_PUBLIC_KEY_FILE=" + file},
			[]string{"JWT_PUBLIC_KEY_FILE=" + file + ": must be the only one", "JWT_SECRET=***: must be the only one"}},
		{"an event over the body", []string{"MAX_BODY=32KiB"}, []string{"MAX_EVENT=64KiB: must not be more than MAX_BODY (32KiB)"}},
		{"a bad body says nothing of the event", []string{"MAX_BODY=0"}, []string{"MAX_BODY=0: must be a size"}},
		{"a cookie for pages of any site", []string{"CREDENTIAL_COOKIE=session"}, []string{"CORS_ORIGINS=*: must list origins by name, such as https://app.example, and not be *, because CREDENTIAL_COOKIE is set"}},
		{"a cookie for pages of any site among others", []string{"CREDENTIAL_COOKIE=session", "CORS_ORIGINS=https://app.example,*"}, []string{"CORS_ORIGINS=https://app.example,*: must list origins by name"}},
		{"a cookie for pages of a site", []string{"CREDENTIAL_COOKIE=__Host-session", "CORS_ORIGINS=https://app.example"}, nil},
		{"any free port twice", []string{"ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0"}, nil},
		{"a folder to be made", []string{"DATA_DIR=" + filepath.Join(t.TempDir(), "new", "deeper")}, nil},
		{"a folder that is there", []string{"DATA_DIR=" + t.TempDir()}, nil},
		{"a file that never ends", []string{"API_KEYS_FILE=" + os.DevNull}, nil},
	} {
		_, faults := load(x.environ...)
		if len(faults) != len(x.want) {
			t.Errorf("%s: got %v, want %q", x.what, faults, x.want)
			continue
		}
		for i, want := range x.want {
			if !strings.HasPrefix(faults[i].String(), want) {
				t.Errorf("%s: got %s, want %s", x.what, faults[i], want)
			}
		}
	}
}

// TestSecretsAreMasked: neither faults nor the printed settings show one, good or bad.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	const marker = "hunter2hunter2"
	for _, name := range secrets {
		for _, value := range []string{marker, marker + secret, marker + "," + secret, ",," + marker} {
			c, faults := load(name+"="+value, "PING_INTERVAL=never")
			if text := faults.Error() + fmt.Sprint(c.Effective()); strings.Contains(text, marker) || !strings.Contains(text, "***") {
				t.Errorf("%s=%s: %s", name, value, text)
			}
		}
	}
	for _, url := range []string{"https://user:" + marker + "@example.com/keys", "https://example.com/keys?key=" + marker, "ftp://" + marker + "@x", "://" + marker + "@ x"} {
		c, faults := load("JWT_JWKS_URL="+url, "PING_INTERVAL=never")
		if text := faults.Error() + fmt.Sprint(c.Effective()); strings.Contains(text, marker) {
			t.Errorf("%s: %s", url, text)
		}
	}
}

// TestFaultIsOneLine: no value can forge a line or fill the screen.
func TestFaultIsOneLine(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"a\nADDR=fine", "\x1b[2J", "\xff", strings.Repeat("é", 10_000), " x"} {
		_, faults := load("LOG_FORMAT=" + value)
		text := faults.Error()
		if len(faults) != 1 || strings.Count(text, "\n") != 1 || strings.Contains(text, "\x1b") || len(text) > 1000 {
			t.Errorf("%q", text)
		}
		// Faults that callers append look the same.
		if own := (config.Faults{{Name: "LOG_FORMAT", Value: value, Why: faults[0].Why}}).Error(); own != text {
			t.Errorf("got %q, want %q", own, text)
		}
	}
}

// A cluster a_SNAPSHOTS would have the stream of the snapshots of cluster a as its journal.
func TestClusterNameIsNoSnapshots(t *testing.T) {
	t.Parallel()
	if _, faults := load("CLUSTER_NAME=a_SNAPSHOTS"); !strings.Contains(faults.Error(), "must not end with _SNAPSHOTS") {
		t.Error(faults.Error())
	}
}

// TestAuthURLHasNoUser: a user and password in AUTH_URL are refused, and not shown.
func TestAuthURLHasNoUser(t *testing.T) {
	t.Parallel()
	_, faults := load("AUTH_URL=https://user:hunter2@app.example/auth")
	if len(faults) != 1 || !strings.Contains(faults[0].Why, "without a user") || strings.Contains(faults.Error(), "hunter2") {
		t.Errorf("%v", faults)
	}
}
