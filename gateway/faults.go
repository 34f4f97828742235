package gateway

import (
	"errors"
	"strings"

	"sluice/auth"
	"sluice/config"
)

// SettingsError is the error of New if the settings cannot be used.
type SettingsError struct{ Err error }

func (e *SettingsError) Error() string { return e.Err.Error() }

func (e *SettingsError) Unwrap() error { return e.Err }

// WithKeyFaults adds the faults of the keys to those that config found, so that a user reads all of them at once.
func WithKeyFaults(cfg *config.Config, err error) error {
	var faults config.Faults
	if cfg == nil || !errors.As(err, &faults) {
		return err
	}
	if kerr := auth.Check(auth.Options{APIKeys: cfg.APIKeys, APIKeysFile: cfg.APIKeysFile}); kerr != nil {
		return append(faults, keyFaults(kerr)...)
	}
	if openToAll(cfg, faults) {
		faults = append(faults, config.Fault{Name: "ADDR", Value: cfg.Addr, Why: errOpenToAll.Error()})
	}
	return faults
}

// openToAll reports whether a gateway would be refused because it has no credential. It looks only at settings without a
// fault.
func openToAll(cfg *config.Config, faults config.Faults) bool {
	for _, f := range faults {
		for _, name := range []string{".env", "ADDR", "ADMIN_KEY", "API_KEY", "AUTH_URL", "DATA_DIR", "JWT_"} {
			if strings.HasPrefix(f.Name, name) {
				return false
			}
		}
	}
	return withoutCredential(cfg)
}

// keyFaults returns auth's errors as faults of the settings.
func keyFaults(err error) config.Faults {
	var fault *auth.SettingError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all config.Faults
		for _, e := range joined.Unwrap() {
			all = append(all, keyFaults(e)...)
		}
		return all
	}
	if errors.As(err, &fault) {
		return config.Faults{{Name: fault.Name, Value: "***", Why: fault.Err.Error()}}
	}
	return config.Faults{{Name: "API_KEYS", Value: "***", Why: err.Error()}}
}
