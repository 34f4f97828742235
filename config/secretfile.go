package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// fileSuffix makes of the name of a secret the name of a setting that names a file with it, as secrets of Docker and
// Kubernetes are given to a program.
const fileSuffix = "_FILE"

// maxSecretFile bounds what is read of such a file.
const maxSecretFile = 1 << 20

// fileSetting returns the name of the setting that names a file with this one's value, "" where there is none. API_KEYS has
// none of these: API_KEYS_FILE is a setting of its own, which is read again when the file changes.
func (f *field) fileSetting() string {
	if !f.secret && !f.url || f.name == "API_KEYS" {
		return ""
	}
	return f.name + fileSuffix
}

// readSecretFiles sets the secrets whose files are named. A value and a file of the same source are a fault; of different
// sources the environment wins.
func readSecretFiles(values, sources map[string]string) (faults Faults) {
	for _, f := range fieldsOf(&Config{}) {
		setting := f.fileSetting()
		file := values[setting]
		if setting == "" || file == "" {
			continue
		}
		if values[f.name] != "" && sources[f.name] == sources[setting] {
			faults = append(faults, Fault{setting, printable(file), "must not be set together with " + f.name + "; keep one of the two"})
			continue
		}
		if values[f.name] != "" && sources[f.name] == sourceEnvironment {
			continue
		}
		secret, err := readSecret(file)
		if err != nil {
			faults = append(faults, Fault{setting, printable(file), err.Error()})
			continue
		}
		values[f.name], sources[f.name] = secret, setting+", "+sources[setting]
	}
	return faults
}

// readSecret reads a file without the line end behind its text, which echo and editors add.
func readSecret(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("must name a file that can be read: %w", cause(err))
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	switch secret := strings.TrimRight(string(text), "\r\n"); {
	case err != nil:
		return "", fmt.Errorf("must name a file that can be read: %w", cause(err))
	case len(text) > maxSecretFile:
		return "", fmt.Errorf("must name a file of %d bytes or less", maxSecretFile)
	case secret == "":
		return "", errors.New("must name a file that holds the secret; this one is empty")
	default:
		return secret, nil
	}
}
