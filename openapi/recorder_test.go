package openapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/errors"

	"sluice/gateway/gatewaytest"
)

// recorder sends requests to gateways, validates them and the answers, and notes which answers it has seen.
type recorder struct {
	validator  validator.Validator
	operations map[string]*operation

	mu   sync.Mutex
	seen map[string]map[int]bool    // by operation
	used map[string]map[string]bool // parameters of requests that the gateway has taken
}

func newRecorder(t *testing.T) *recorder {
	return &recorder{validator: validated(t), operations: operations(t), seen: map[string]map[int]bool{}, used: map[string]map[string]bool{}}
}

// call is a request of an operation.
type call struct {
	op      string // the id of the operation
	path    string // with the query; "": a sample of the operation's own
	as      string // the value of x-apikey, or of Authorization if it has a blank; "": none
	body    string // "": the example in the document; "-": none
	headers []string
	status  int  // that must come; 0: any
	wrong   bool // the document does not allow the request: only the answer is validated
}

// send sends a request and validates what it can: the answer always, and the request where the gateway takes it. It returns the
// answer and its body.
func (r *recorder) send(t *testing.T, g *gatewaytest.Gateway, c call) (*http.Response, string) {
	t.Helper()
	o := r.operations[c.op]
	if o == nil {
		t.Fatalf("the document has no operation %s", c.op)
	}
	if c.path == "" {
		c.path = o.sample()
	}
	body := c.body
	switch body {
	case "":
		body = o.body
	case "-":
		body = ""
	}
	make := func() *http.Request {
		q, err := http.NewRequest(o.method, g.URL+c.path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			q.Header.Set("Content-Type", "application/json")
		}
		switch {
		case strings.Contains(c.as, " "):
			q.Header.Set("Authorization", c.as)
		case c.as != "":
			q.Header.Set("x-apikey", c.as)
		}
		for i := 0; i < len(c.headers); i += 2 {
			q.Header.Set(c.headers[i], c.headers[i+1])
		}
		return q
	}
	request := make()
	if !o.at.MatchString(request.URL.EscapedPath()) {
		t.Fatalf("%s is no path of %s", c.path, c.op)
	}
	what := fmt.Sprintf("%s %s", o.method, c.path)
	answer, err := g.Client().Do(request)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return nil, ""
	}
	defer answer.Body.Close()
	text := read(t, answer)
	if c.status != 0 && answer.StatusCode != c.status {
		t.Errorf("%s: status %d, want %d: %.300s", what, answer.StatusCode, c.status, text)
	}
	r.note(c.op, answer.StatusCode)
	r.validate(t, o, answer, text, what)
	if answer.StatusCode < 300 && !c.wrong {
		if ok, faults := r.validator.ValidateHttpRequestSync(o.asKnown(make())); !ok {
			t.Errorf("the gateway takes %s, and docs/openapi.yaml does not: %s", what, explained(faults))
		}
		r.uses(t, o, request)
	}
	return answer, text
}

// validate holds an answer against the document.
func (r *recorder) validate(t *testing.T, o *operation, answer *http.Response, text, what string) {
	t.Helper()
	q, err := http.NewRequest(o.method, answer.Request.URL.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	copied := *answer
	copied.Body = io.NopCloser(strings.NewReader(text))
	if ok, faults := r.validator.ValidateHttpResponse(o.asKnown(q), &copied); !ok {
		t.Errorf("docs/openapi.yaml does not describe the answer to %s: %d %.300s: %s", what, answer.StatusCode, text, explained(faults))
	}
	if !slices.Contains(o.statuses, answer.StatusCode) {
		t.Errorf("%s in docs/openapi.yaml has no answer %d: %.200s", o.id, answer.StatusCode, text)
	}
}

// asKnown is a request as the validator knows it.
func (o *operation) asKnown(q *http.Request) *http.Request {
	if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"}, o.method) {
		q.URL.Path = "/" + o.method + q.URL.Path
		q.Method = http.MethodPost
	}
	return q
}

// read reads the body of an answer; of a stream, what comes first.
func read(t *testing.T, answer *http.Response) string {
	t.Helper()
	kind := answer.Header.Get("Content-Type")
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return ""
	}
	if strings.HasPrefix(kind, "text/event-stream") || strings.HasPrefix(kind, "application/x-ndjson") {
		first := make([]byte, 64<<10)
		n, _ := answer.Body.Read(first)
		return string(first[:n])
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(bytes.Clone(text))
}

func explained(faults []*errors.ValidationError) string {
	var all []string
	for _, f := range faults {
		all = append(all, f.Message+": "+f.Reason)
		for _, s := range f.SchemaValidationErrors {
			all = append(all, fmt.Sprintf("%s at %s", s.Reason, s.FieldPath))
		}
	}
	return strings.Join(all, "; ")
}

func (r *recorder) note(op string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[op] == nil {
		r.seen[op] = map[int]bool{}
	}
	r.seen[op][status] = true
}

// carriers are parameters of the query that bring a credential. The document has them among its securitySchemes.
var carriers = map[string]bool{"apikey": true, "rt-apikey": true, "token": true, "jwt": true, "access_token": true}

// uses notes the parameters of a request that the gateway has taken, and fails the test if the document has no such parameter.
func (r *recorder) uses(t *testing.T, o *operation, request *http.Request) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used[o.id] == nil {
		r.used[o.id] = map[string]bool{}
	}
	for name := range request.URL.Query() {
		if name, _, _ = strings.Cut(name, "["); !o.parameters[name] && !carriers[name] {
			t.Errorf("docs/openapi.yaml has no parameter %s of %s", name, o.id)
		}
		r.used[o.id][name] = true
	}
	for name := range o.parameters {
		if request.Header.Get(name) != "" {
			r.used[o.id][name] = true
		}
	}
}

// samples are values of parameters in paths, and queries that an operation cannot do without.
var samples = strings.NewReplacer(
	"{room}", "sample-room", "{db}", "demo", "{ns}", "shop", "{stream}", "s", "{event}", "e", "{account}", "demo", "{email}", "ann@example.org",
	"{collection}", "customer", "{id}", "*", "/ui/{file}", "/ui/main.js", "/sdk/{file}", "/sdk/sluice.js",
)

var queries = map[string]string{
	"retract": "?id=1", "renameDatabase": "?to=x", "cloneDatabase": "?to=x", "renameNamespace": "?to=x", "grantRole": "?username=ann&role=reader",
	"revokeRole": "?username=ann",
}

// made numbers rooms: a request that makes one needs a room that is not there.
var made atomic.Int64

// sample is an address of the operation. For those that make a room, it is one of a new room.
func (o *operation) sample() string {
	path := o.template
	if makesRoom[o.id] {
		path = strings.Replace(path, "{room}", fmt.Sprintf("room-%d", made.Add(1)), 1)
	}
	return samples.Replace(path) + queries[o.id]
}

var makesRoom = map[string]bool{"getRoom": true, "connectToRoom": true, "subscribeToRoom": true}

// headers are those that a request of the operation needs to be one.
func (o *operation) headers(more ...string) []string {
	switch o.id {
	case "connectToRoom", "openSocket":
		return append(more, upgrade...)
	case "overrideMethod":
		return append(more, "X-HTTP-Method-Override", "PUT")
	}
	return append(more, "Accept", "application/json")
}

// upgrade asks for a WebSocket.
var upgrade = []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
