package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// adminAPI is a running gateway as its administrator asks it.
type adminAPI struct {
	key, url string
}

// maxAnswer bounds what is read of an answer: a list of all users.
const maxAnswer = 256 << 20

// call asks, and decodes the answer into to, which may be nil.
func (a adminAPI) call(method, path string, body, to any, timeout time.Duration) error {
	if a.key == "" {
		return usageError{errors.New("no ADMIN_KEY; set it in the environment, or give --admin-key")}
	}
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("writing the request: %w", err)
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, strings.TrimSuffix(a.url, "/")+path, sent)
	if err != nil {
		return usageError{err}
	}
	r.Header.Set("x-apikey", a.key)
	answer, err := (&http.Client{Timeout: timeout}).Do(r)
	if err != nil {
		return fmt.Errorf("asking the gateway (is it running there?): %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		var told struct{ Message string }
		if err := json.Unmarshal(text, &told); err != nil || told.Message == "" {
			return fmt.Errorf("%s answered %s; is it a gateway?", a.url, answer.Status)
		}
		return errors.New(told.Message)
	}
	if to == nil {
		return nil
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s did not answer as a gateway does: %w", a.url, err)
	}
	return nil
}
