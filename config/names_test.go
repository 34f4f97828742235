package config_test

import (
	"slices"
	"strings"
	"testing"

	"sluice/config"
)

// A name in .env that is nearly a setting is a fault that names the setting, and not the value.
func TestNearNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ADR": "ADDR", "ADDRR": "ADDR", "ADRD": "ADDR", "addr": "ADDR", "ADDRESS": "ADDR", "SLUICE_ADDR": "ADDR",
		"API_KEY": "API_KEYS", "APIKEYS": "API_KEYS", "api_keys": "API_KEYS", "Api_Key": "API_KEYS", "API_KEYS_FIEL": "API_KEYS_FILE", "API_KEY_FILE": "API_KEYS_FILE",
		"ADMINKEY": "ADMIN_KEY", "ADMIN_KEYS": "ADMIN_KEY", "ADMIM_KEY": "ADMIN_KEY", "ADMIN_KEY_FILES": "ADMIN_KEY_FILE",
		"JWT_SECRETS": "JWT_SECRET", "JWT_SECERT": "JWT_SECRET", "JWT_SECRETS_FILE": "JWT_SECRET_FILE", "JWT_JWK_URL": "JWT_JWKS_URL",
		"DATADIR": "DATA_DIR", "DATA_DIRECTORY": "DATA_DIR", "TRUSTED_PROXY": "TRUSTED_PROXIES", "CORS_ORIGIN": "CORS_ORIGINS",
		"LOGLEVEL": "LOG_LEVEL", "MAX_CONNECTION": "MAX_CONNECTIONS", "TLS_CERTFILE": "TLS_CERT_FILE",
		"TLS_CERT": "TLS_CERT_FILE", "TLS_KEY": "TLS_KEY_FILE", "JWT_PUBLIC_KEY": "JWT_PUBLIC_KEY_FILE", "JWT_PUBLIC_KEYS": "JWT_PUBLIC_KEY_FILE",
	} {
		_, err := config.Load(nil, write(t, ".env", name+"='hunter2hunter2'\n"))
		faults := faultsOf(err)
		if len(faults) != 1 || faults[0].Name != name || !strings.Contains(faults[0].Why, "did you mean "+want+"?") || strings.Contains(faults.Error(), "hunter2") {
			t.Errorf("%s: got %v, want one fault that asks for %s", name, faults, want)
		}
		// The environment has names that are not meant for the gateway.
		if _, faults := load(name + "=x"); faults != nil {
			t.Errorf("%s in the environment: %v", name, faults)
		}
	}
}

// Names of other programs are listed. They are no fault.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	others := []string{"APP_KEY", "DATABASE_URL", "HOST", "JWT_ISSUER_URL", "LOG_DIR", "NODE_ENV", "PORT", "REDIS_ADDR", "SMTP_ADDRESS", "VITE_API_URL"}
	c, err := config.Load(nil, write(t, ".env", strings.Join(others, "=x\n")+"=x\nADDR=:1\nADMIN_KEY_FILE=\n"))
	if err != nil || !slices.Equal(c.Unknown(), others) {
		t.Errorf("got %v, %v", c.Unknown(), err)
	}
}
