package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"sluice/client"
)

// adminAPI is the admin API of a running gateway.
type adminAPI struct {
	gatewayURL
	access
}

func (a *adminAPI) flags(f *pflag.FlagSet) {
	a.admin = true
	a.gatewayURL.flags(f)
	a.access.flags(f)
}

// maxAnswer bounds an answer. The largest is a list of all users.
const maxAnswer = 256 << 20

// call sends a request to the gateway at base, and decodes the answer into to, which may be nil.
func (a *adminAPI) call(base, method, path string, body, to any, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err := a.ask(ctx, base, method, path, body, to)
	return err
}

// ask is call within a context, and returns the headers of the answer.
func (a *adminAPI) ask(ctx context.Context, base, method, path string, body, to any) (http.Header, error) {
	key, err := a.needed()
	if err != nil {
		return nil, err
	}
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, base+path, sent)
	if err != nil {
		return nil, usageError{err}
	}
	r.Header.Set("x-apikey", key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, a.explain(base, fmt.Errorf("calling the gateway: %w", err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		var refused struct{ Message, Code string }
		_ = json.Unmarshal(text, &refused) // what is no answer of a gateway has no code
		return nil, a.explain(base, &client.StatusError{Status: answer.StatusCode, Code: refused.Code, Message: refused.Message})
	}
	if to == nil {
		return answer.Header, nil
	}
	if err := json.Unmarshal(text, to); err != nil {
		return nil, fmt.Errorf("%s did not answer as a gateway does: %w", base, err)
	}
	return answer.Header, nil
}
