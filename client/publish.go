package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// publishAttempts is the largest number of attempts for one publish, which take about a minute and a half.
const publishAttempts = 8

// PublishJSON publishes one event (a JSON object) or several (a JSON array) as they are, and returns their ids. It repeats the
// request as Publish does. For an empty key, it makes one. docs/protocol.md has the fields of an event.
func (c *Client) PublishJSON(ctx context.Context, body []byte, key string) ([]string, error) {
	return c.change(ctx, http.MethodPost, c.url, body, key)
}

// Retract takes an event out of the log, and returns the id of the event that reports it. It repeats the request as Publish
// does.
func (c *Client) Retract(ctx context.Context, id, key string) (string, error) {
	u, err := url.Parse(c.url)
	if err != nil {
		return "", fmt.Errorf("retracting: %w", err)
	}
	q := u.Query()
	q.Set("id", id)
	u.RawQuery = q.Encode()
	ids, err := c.change(ctx, http.MethodDelete, u.String(), nil, key)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// change sends a request until the gateway has done it, and returns the ids of its answer.
func (c *Client) change(ctx context.Context, method, address string, body []byte, key string) ([]string, error) {
	if key == "" {
		key = rand.Text()
	}
	for n := 0; ; n++ {
		ids, err := c.attempt(ctx, method, address, body, key)
		var status *StatusError
		final := errors.As(err, &status) && status.Final()
		if err == nil || final || n+1 == publishAttempts || ctx.Err() != nil {
			return ids, err
		}
		delay := backoff(n)
		if status != nil {
			delay = max(delay, status.RetryAfter)
		}
		c.options.Notify(err, delay)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(delay):
		}
	}
}

func (c *Client) attempt(ctx context.Context, method, address string, body []byte, key string) ([]string, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Idempotency-Key", key)
	c.authorize(r.Header.Set)
	answer, err := c.options.HTTP.Do(r)
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, statusError(answer)
	}
	defer answer.Body.Close()
	var ok struct {
		ID  string
		IDs []string
	}
	if err := json.NewDecoder(answer.Body).Decode(&ok); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if ok.ID != "" {
		return []string{ok.ID}, nil
	}
	return ok.IDs, nil
}
