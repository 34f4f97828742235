package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/config"
)

// Every secret can come from a file that its name with _FILE names.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	for name, get := range map[string]func(*config.Config) string{
		"JWT_SECRET":   func(c *config.Config) string { return strings.Join(c.JWTSecret, "|") },
		"ADMIN_KEY":    func(c *config.Config) string { return c.AdminKey },
		"TOKEN_SECRET": func(c *config.Config) string { return c.TokenSecret },
		"JWT_JWKS_URL": func(c *config.Config) string { return c.JWTJWKSURL },
	} {
		text := secret
		if name == "JWT_JWKS_URL" {
			text = "https://user:" + secret + "@example.com/keys"
		}
		for _, end := range []string{"", "\n", "\r\n"} {
			file := write(t, "secret", text+end)
			c, faults := load(name + "_FILE=" + file)
			if faults != nil || get(c) != text {
				t.Errorf("%s_FILE with the end %q: %v", name, end, faults)
			}
			for _, s := range c.Effective() {
				if s.Name == name && (s.Value != "***" || s.Source != name+"_FILE, environment") {
					t.Errorf("%s_FILE: shown as %q from %q", name, s.Value, s.Source)
				}
			}
			if c, err := config.Load(nil, write(t, ".env", name+"_FILE='"+file+"'\n")); err != nil || get(c) != text {
				t.Errorf("%s_FILE in .env: %v", name, err)
			}
		}
	}
	two, faults := load("JWT_SECRET_FILE=" + write(t, "secrets", secret+","+secret+"2\n"))
	if faults != nil || len(two.JWTSecret) != 2 {
		t.Errorf("two secrets in a file: %v", faults)
	}
}

func TestBadSecretFiles(t *testing.T) {
	t.Parallel()
	good := write(t, "good", secret+"\n")
	for _, tt := range []struct {
		what, environ, dotenv, want string
	}{
		{"missing", "ADMIN_KEY_FILE=" + filepath.Join(t.TempDir(), "missing"), "", "ADMIN_KEY_FILE=* must name a file that can be read: no such file"},
		{"a folder", "ADMIN_KEY_FILE=" + t.TempDir(), "", "ADMIN_KEY_FILE=* must name a file that can be read: is a directory"},
		{"empty", "ADMIN_KEY_FILE=" + write(t, "empty", "\n"), "", "ADMIN_KEY_FILE=* must name a file that contains the secret; this file is empty"},
		{"too large", "ADMIN_KEY_FILE=" + write(t, "large", strings.Repeat("x", 1<<20+1)), "", "ADMIN_KEY_FILE=* must name a file of 1048576 bytes or less"},
		{"a short key", "ADMIN_KEY_FILE=" + write(t, "short", "hunter2"), "", "ADMIN_KEY=***: must have 16 characters or more"},
		{"both in .env", "", "ADMIN_KEY=" + secret + "\nADMIN_KEY_FILE='" + good + "'\n", "ADMIN_KEY_FILE=* must not be set together with ADMIN_KEY"},
		{"the environment wins", "ADMIN_KEY_FILE=" + good, "ADMIN_KEY=short\n", ""},
		{"and so the other way", "ADMIN_KEY=" + secret, "ADMIN_KEY_FILE=/missing\n", ""},
		{"an empty name", "ADMIN_KEY_FILE=", "", ""},
	} {
		_, err := config.Load([]string{tt.environ}, write(t, ".env", tt.dotenv))
		faults := faultsOf(err)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.what, err)
			}
			continue
		}
		begin, why, _ := strings.Cut(tt.want, "* ")
		if len(faults) != 1 || !strings.HasPrefix(faults[0].String(), begin) || !strings.Contains(faults[0].String(), why) || strings.Contains(faults.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s", tt.what, faults, tt.want)
		}
	}
	if os.Getuid() != 0 {
		hidden := write(t, "hidden", secret)
		if err := os.Chmod(hidden, 0); err != nil {
			t.Fatal(err)
		}
		if _, faults := load("ADMIN_KEY_FILE=" + hidden); len(faults) != 1 || !strings.Contains(faults[0].Why, "permission denied") {
			t.Errorf("not readable: %v", faults)
		}
	}
}
