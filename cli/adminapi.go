package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// adminAPI is the admin API of a running gateway.
type adminAPI struct {
	gatewayURL
	AdminKey string
}

func (a *adminAPI) flags(f *pflag.FlagSet) {
	a.gatewayURL.flags(f)
	environmentVar(f, &a.AdminKey, "admin-key", "ADMIN_KEY", "The `KEY` of the administrator: the gateway's ADMIN_KEY. ADMIN_KEY_FILE can name a file with it instead.")
}

// key returns the administrator's key.
func (a *adminAPI) key() (string, error) {
	file := os.Getenv("ADMIN_KEY_FILE")
	switch {
	case a.AdminKey != "":
		return a.AdminKey, nil
	case file == "":
		return "", usageError{errors.New("no ADMIN_KEY; set it in the environment, name a file by ADMIN_KEY_FILE, or give --admin-key")}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", usageError{fmt.Errorf("reading ADMIN_KEY_FILE: %w", err)}
	}
	return strings.TrimSpace(string(text)), nil
}

// maxAnswer bounds an answer. The largest is a list of all users.
const maxAnswer = 256 << 20

// call sends a request to the gateway at base, and decodes the answer into to, which may be nil.
func (a *adminAPI) call(base, method, path string, body, to any, timeout time.Duration) error {
	key, err := a.key()
	if err != nil {
		return err
	}
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("writing the request: %w", err)
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, base+path, sent)
	if err != nil {
		return usageError{err}
	}
	r.Header.Set("x-apikey", key)
	answer, err := (&http.Client{Timeout: timeout}).Do(r)
	if err != nil {
		return fmt.Errorf("calling the gateway (is it running there?): %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		var failure struct{ Message string }
		if err := json.Unmarshal(text, &failure); err != nil || failure.Message == "" {
			return fmt.Errorf("%s answered %s; is it a gateway?", base, answer.Status)
		}
		return errors.New(failure.Message)
	}
	if to == nil {
		return nil
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s did not answer as a gateway does: %w", base, err)
	}
	return nil
}
