package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// access is the credential of a command. All commands take it in the same way: from the file that --key-file names, else from
// a variable, else from the file that the variable with _FILE names. It is no argument: arguments show in the list of
// processes and in shells' histories. (The older --admin-key still works, and the help does not show it.)
type access struct {
	KeyFile string

	admin    bool   // the command is for administrators
	adminKey string // from --admin-key
}

func (a *access) flags(f *pflag.FlagSet) {
	what := "API key or token"
	if a.admin {
		what = "gateway's ADMIN_KEY"
		f.StringVar(&a.adminKey, "admin-key", "", "The `KEY` of the administrator.")
		hide(f, "admin-key")
	}
	f.StringVar(&a.KeyFile, "key-file", "", fmt.Sprintf("The `FILE` with the %s; default: %s, or the file that %[2]s_FILE names.", what, a.variable()))
}

// variable is the name of the environment's variable with the credential.
func (a *access) variable() string {
	if a.admin {
		return "ADMIN_KEY"
	}
	return "SLUICE_KEY"
}

// credential returns the credential, or "" where none is given.
func (a *access) credential() (string, error) {
	if a.adminKey != "" {
		return a.adminKey, nil
	}
	file, from := a.KeyFile, "--key-file"
	if file == "" {
		if key := os.Getenv(a.variable()); key != "" {
			return key, nil
		}
		from = a.variable() + "_FILE"
		file = os.Getenv(from)
	}
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", usageError{fmt.Errorf("reading %s: %w", from, err)}
	}
	key := strings.TrimSpace(string(text))
	if key == "" {
		return "", usageError{fmt.Errorf("%s: the file %s is empty; write the key into it", from, file)}
	}
	return key, nil
}

// needed is the error of a command that is useless without a credential.
func (a *access) needed() (string, error) {
	key, err := a.credential()
	if err == nil && key == "" {
		err = usageError{errors.New("no ADMIN_KEY; set it in the environment as the gateway has it, or name a file with it by --key-file or ADMIN_KEY_FILE")}
	}
	return key, err
}
