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

// FuzzSettings: whatever the environment and .env contain, Load does not panic, shows no secret,
// and writes each fault on one line. A valid index sets one setting; any other sets them all.
func FuzzSettings(f *testing.F) {
	for _, value := range []string{"", "15s", "-1", "1.5GiB", "NaN", "a,b", "*", "https://a.b", "{sub}:*", "10.0.0.0/8", "[::1]:80", "x\ny\x00", "\xff", "%zz", "debug-9"} {
		f.Add(-1, value, "ADDR=:1\n")
	}
	for i, text := range []string{"", "X", "=", "A=\"x\ny\"\nB", "export ", "A='", "A=${B}$(C)\\$D", "\xef\xbb\xbfA=1", "A:1", "#\r\n\r"} {
		f.Add(i, "0", text)
	}
	c, _ := load()
	var names []string
	for _, s := range c.Effective() {
		names = append(names, s.Name)
	}
	dotenv := filepath.Join(f.TempDir(), ".env")
	f.Fuzz(func(t *testing.T, index int, value, text string) {
		const marker = "hunter2hunter2"
		var environ []string
		for i, name := range names {
			v := value
			switch {
			case index >= 0 && index < len(names) && i != index:
				continue
			case slices.Contains(secrets, name):
				v = value + marker + value
			case name == "JWT_JWKS_URL", name == "AUTH_URL":
				v = "https://u:" + marker + "@" + value
			}
			environ = append(environ, name+"="+v)
		}
		// The secret of .env comes last: a line before it cannot refer to it as ${ADMIN_KEY}.
		if err := os.WriteFile(dotenv, []byte(text+"\nADMIN_KEY="+marker+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(environ, dotenv)
		if err != nil {
			if faults := faultsOf(err); strings.Contains(err.Error(), marker) || strings.Count(err.Error(), "\n") != len(faults) {
				t.Errorf("%q", err)
			}
		}
		if printed := fmt.Sprint(c.Effective()); strings.Contains(printed, marker) {
			t.Errorf("%q", printed)
		}
	})
}
