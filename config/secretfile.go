package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// fileSuffix follows the name of a secret's setting in the name of the setting for a file with the secret. Docker and
// Kubernetes give a program its secrets in files.
const fileSuffix = "_FILE"

// maxSecretFile is the largest such file that is read, in bytes.
const maxSecretFile = 1 << 20

// fileSetting returns the name of the setting for a file with this one's value, or "". API_KEYS has none:
// API_KEYS_FILE is a setting of its own, whose file is read again when it changes.
func (f *field) fileSetting() string {
	if !f.secret && !f.url || f.name == "API_KEYS" {
		return ""
	}
	return f.name + fileSuffix
}

// readSecretFiles reads the files that settings name, and sets the secrets. A value and a file from the same source are a
// fault; if the sources differ, the environment wins.
func readSecretFiles(values, sources map[string]string) (faults Faults) {
	for _, f := range fieldsOf(&Config{}) {
		setting := f.fileSetting()
		file := values[setting]
		if setting == "" || file == "" {
			continue
		}
		if values[f.name] != "" && sources[f.name] == sources[setting] {
			faults = append(faults, Fault{setting, printable(file), "must not be set together with " + f.name + "; remove one of the two"})
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

// readSecret reads a file and removes the line end after the text, which echo and editors add.
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
		return "", errors.New("must name a file that contains the secret; this file is empty")
	default:
		return secret, nil
	}
}
