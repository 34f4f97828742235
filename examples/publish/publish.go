// Publishes events, each of them once: what got no answer is sent again with the same Idempotency-Key.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var (
	gateway = cmp.Or(os.Getenv("GATEWAY"), "http://127.0.0.1:8080")
	key     = os.Getenv("KEY")
	client  = &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
)

// NotPublished is a refusal of the gateway. Without an answer its Status is 0.
type NotPublished struct {
	Status        int
	Code, Message string
}

func (e *NotPublished) Error() string {
	if e.Status == 0 {
		return e.Message
	}
	return strings.Join(strings.Fields(fmt.Sprint(e.Status, " ", e.Code, " ", e.Message)), " ")
}

// Answer has the id of one event, or the ids of several.
type Answer struct {
	ID  string
	IDs []string
}

// Publish stores one event, or all events of a slice, and tries until ctx ends. Give it less than the two minutes for which
// the gateway remembers the Idempotency-Key.
func Publish(ctx context.Context, events any) (*Answer, error) {
	body, err := json.Marshal(events)
	if err != nil {
		return nil, err
	}
	once := rand.Text()
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		answer, wait, failure := send(ctx, body, once)
		if failure == nil {
			return answer, nil
		}
		if s := failure.Status; s != 0 && s != http.StatusRequestTimeout && s != http.StatusTooManyRequests && s < 500 {
			return nil, failure
		}
		// The random part keeps many publishers from coming back at the same moment.
		rest := cmp.Or(wait, pause/2+mathrand.N(pause/2))
		if end, ok := ctx.Deadline(); ok && time.Until(end) < rest {
			return nil, failure
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return nil, failure
		}
	}
}

func send(ctx context.Context, body []byte, once string) (*Answer, time.Duration, *NotPublished) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/realtime", bytes.NewReader(body))
	if err != nil {
		return nil, 0, &NotPublished{http.StatusBadRequest, "", err.Error()}
	}
	r.Header.Set("x-apikey", key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", once)
	response, err := client.Do(r)
	if err != nil {
		return nil, 0, &NotPublished{0, "", "no answer: " + err.Error()}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, 0, &NotPublished{0, "", "half an answer: " + err.Error()}
	}
	status := response.StatusCode
	var said struct {
		Answer
		Code, Message string
	}
	if err := json.Unmarshal(text, &said); err != nil { // an answer of a proxy or of another server
		said.Message = fmt.Sprintf("this is no answer of the gateway: %.100s", text)
		if status == http.StatusOK {
			status = http.StatusBadGateway
		}
	}
	if status == http.StatusOK {
		return &said.Answer, 0, nil
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // 0 where there is none
	return nil, time.Duration(seconds) * time.Second, &NotPublished{status, said.Code, said.Message}
}
