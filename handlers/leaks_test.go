package handlers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// inside is what no client may read: a path, an address inside, a type of Go, a stack, the text of a library.
const inside = `open /srv/secret/data/log/000012.log: no space left on device; dial tcp 10.1.2.3:5432; *fs.PathError; goroutine 7 [running]; pebble: not found`

var insides = []string{"/srv", "000012", "space left", "10.1.2.3", "PathError", "goroutine", "pebble", "handlers."}

// failing is an engine that fails on demand, by an error that holds what no client may read.
type failing struct {
	eventlog.Engine
	err atomic.Pointer[error]
}

func (f *failing) fault() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *failing) Health() error { return f.fault() }

func (f *failing) Admit(*eventlog.Request) error { return f.fault() }

func (f *failing) Commit(g *eventlog.Group) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Engine.Commit(g)
}

func (f *failing) Read(ctx context.Context, q *eventlog.Query, after, upto uint64, limit int) (eventlog.Page, error) {
	if err := f.fault(); err != nil {
		return eventlog.Page{}, err
	}
	return f.Engine.Read(ctx, q, after, upto, limit)
}

func (f *failing) Head(space, stream string) (uint64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	return f.Engine.Head(space, stream)
}

func (f *failing) Find(space, stream, key string) (uint64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	return f.Engine.Find(space, stream, key)
}

func (f *failing) Streams(ctx context.Context, space, prefix, after string, limit int) ([]eventlog.StreamState, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Engine.Streams(ctx, space, prefix, after, limit)
}

func (f *failing) Keyed(ctx context.Context, space string, key *string, each func(eventlog.Event) error) (uint64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	return f.Engine.Keyed(ctx, space, key, each)
}

func (f *failing) Row(key string) ([]byte, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Engine.Row(key)
}

func (f *failing) Rows(prefix string, each func(eventlog.Row) error) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Engine.Rows(prefix, each)
}

func (f *failing) View(ctx context.Context, see func(eventlog.View) error) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.Engine.View(ctx, see)
}

func (f *failing) State(space string) (eventlog.State, error) {
	if err := f.fault(); err != nil {
		return eventlog.State{}, err
	}
	return f.Engine.State(space)
}

// sink is a log to look into.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// At every door, whatever the engine fails by, the client learns nothing of the inside, and the operator's log has all of it.
func TestFaultsTellNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{
		"unavailable": fmt.Errorf("%w: %s", eventlog.ErrUnavailable, inside),
		"unknown":     fmt.Errorf("%w: %w: %s", eventlog.ErrUnavailable, eventlog.ErrUnknown, inside),
		"disk full":   fmt.Errorf("%w: %w: %s", eventlog.ErrUnavailable, eventlog.ErrDiskFull, inside),
		"any other":   fmt.Errorf("reading: %s", inside),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine, operatorLog := &failing{Engine: memory.Open(memory.Options{})}, &sink{}
			g := newGateway(t, gatewaytest.WithDocuments, func(s *setup) { s.Engine, s.Logger = engine, slog.New(slog.NewTextHandler(operatorLog, nil)) })
			g.AddUser(t, "ann@example.com", "s3cret-s3cret")
			room := g.NewRoom(t)
			g.Push(t, room, `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`)
			for _, one := range [][2]string{
				{"PUT /db/orders", ""}, {"PUT /db/orders/ns/shop", ""}, {"PUT /db/orders/ns/shop/streams/s/annotation", `{"a":1}`},
				{"POST /realtime", `{"event":"n"}`}, {"POST /rest/customer", `{"_id":"5f0000000000000000000001","a":1}`},
			} {
				if status, text := g.call(t, one[0], one[1]); status >= 300 {
					t.Fatalf("%s: %d %s", one[0], status, text)
				}
			}
			ws, said := g.Join(t, room, "")
			items := g.Socket(t, gatewaytest.KeyDocs)
			engine.err.Store(&fault)

			for _, one := range [][2]string{
				{"GET /readyz", ""},
				{"POST /realtime", `{"event":"n"}`},
				{"POST /realtime", `{"event":"n","stream":"s","expect":"0"}`},
				{"GET /realtime?from=earliest&limit=1", ""},
				{"PUT /db/more", ""},
				{"DELETE /db/orders", ""},
				{"POST /db/orders/rename?to=other", ""},
				{"POST /db/orders/clone?to=other", ""},
				{"GET /db/orders/streams", ""},
				{"GET /db/orders/ns/shop/streams", ""},
				{"GET /db/orders/events", ""},
				{"GET /db/orders/ns/shop/streams/s/events/1", ""},
				{"GET /db/orders/ns/shop/streams/s/annotation", ""},
				{"PUT /db/orders/ns/shop/streams/s/annotation", `{"a":2}`},
				{"PUT /db/orders/ns/more", ""},
				{"DELETE /db/orders/ns/shop", ""},
				{"PUT /events/s.1", `{"data":1,"meta":{"db":"orders","stream":"s","type":"t"}}`},
				{"POST /accounts/ann", `{"name":"ann","password":"ann-ann-ann"}`},
				{"GET /rest/customer", ""},
				{"GET /rest/customer/5f0000000000000000000001", ""},
				{"POST /rest/customer", `{"a":1}`},
				{"POST /rest/other", `{"a":1}`},
				{"PUT /rest/customer/5f0000000000000000000001", `{"a":2}`},
				{"DELETE /rest/customer/5f0000000000000000000001", ""},
				{"GET /items/customer", ""},
				{"POST /items/customer", `{"a":1}`},
				{"PATCH /items/customer/1", `{"a":1}`},
				{"DELETE /items/customer/1", ""},
				{"POST /auth/login", `{"email":"ann@example.com","password":"s3cret-s3cret","mode":"json"}`},
				{"POST /new", ""},
				{"GET /room/unknown", ""},
				{"GET /room/" + room + "/events", ""},
				{"POST /room/" + room + "/send", `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`},
				{"POST /room/" + room + "/send", `{"type":"get","key":"k"}`},
				{"POST /admin/keys", `{"name":"k","sub":["*"]}`},
				{"POST /admin/users", `{"email":"bob@example.com","password":"s3cret-s3cret"}`},
				{"POST /admin/revocations", `{"subject":"bob"}`},
			} {
				status, text := g.call(t, one[0], one[1])
				if status < 400 && !strings.Contains(text, "event: error") && !strings.Contains(text, "event: busy") {
					t.Errorf("%s: the fault was not met: %d %s", one[0], status, text)
				}
				expectNoInternals(t, one[0], text)
			}
			for _, message := range []string{
				`{"type":"push","key":"k","value":1,"action":{"type":"append"}}`, `{"type":"get","key":"k"}`,
			} {
				ws.Write(t.Context(), 1, []byte(message)) // the gateway may have closed the connection
			}
			for _, message := range []string{
				`{"type":"items","collection":"customer","action":"create","data":{"a":1}}`,
				`{"type":"items","collection":"customer","action":"read"}`,
				`{"type":"subscribe","collection":"customer"}`,
				`{"type":"auth","email":"ann@example.com","password":"s3cret-s3cret"}`,
			} {
				items.Send(message)
				text, err := items.Next()
				if err == nil && !strings.Contains(text, `"error"`) {
					t.Errorf("%s: the fault was not met: %s", message, text)
				}
				expectNoInternals(t, message, fmt.Sprint(text, err))
			}
			expectNoInternals(t, "the room", strings.Join(gatewaytest.AwaitMessages(t, said, 1), "\n"))
			for _, door := range []string{"/realtime", "/readyz", "/db/:db", "/rest/:collection", "/items/:collection", "/room/:room/send", "/admin/keys", "message failed"} {
				if !regexp.MustCompile(regexp.QuoteMeta(door) + ".*/srv/secret/data/log/000012.log").MatchString(operatorLog.String()) {
					t.Errorf("the operator's log lacks the cause of what failed at %s: %s", door, operatorLog)
				}
			}
		})
	}
}

// call sends "METHOD /path" as root of the admin's and Persistr's doors, and with a key of all rights to the others.
func (g *gateway) call(t *testing.T, what, body string) (status int, text string) {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	ctx, cancel := context.WithTimeout(t.Context(), gatewaytest.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	switch door, _, _ := strings.Cut(path[1:], "/"); door {
	case "db", "events", "accounts":
		r.Header.Set("Authorization", "Apikey "+gatewaytest.AdminKey)
	case "admin":
		r.Header.Set("X-Apikey", gatewaytest.AdminKey)
	case "auth":
	default:
		r.Header.Set("X-Apikey", gatewaytest.KeyDocs)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return 0, ""
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	return answer.StatusCode, fmt.Sprint(answer.Header, string(all), err)
}

// expectNoInternals looks for what no client may read.
func expectNoInternals(t *testing.T, what, text string) {
	t.Helper()
	for _, word := range insides {
		if strings.Contains(text, word) {
			t.Errorf("%s: the answer holds %q: %s", what, word, text)
		}
	}
}

// Bodies that cannot be read are refused in plain words, without a name of a library or of a type of Go.
func TestBadBodiesTellNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	room := g.NewRoom(t)
	for _, door := range []string{
		"POST /realtime", "POST /realtime/token", "POST /realtime/subscriptions", "POST /rest/customer", "GET /rest/customer?q=%s", "PUT /events/s.1", "POST /items/customer", "SEARCH /items/customer",
		"GET /items/customer?filter=%s", "POST /auth/login", "POST /accounts/ann", "POST /room/" + room + "/send", "POST /admin/keys", "POST /admin/users", "POST /admin/revocations",
	} {
		for _, body := range []string{`{`, `[`, `x`, `{"a":1,"a":2}`, `{"name":{},"email":1,"sub":[1],"password":[],"jti":7,"ttl":{},"channels":{}}`, "\"\xff\"", `{"a":`, strings.Repeat("[", 20000), `7`, `"x"`, `{"unknown":1}`} {
			what, text := door, body
			if strings.Contains(door, "%s") {
				if !utf8.ValidString(body) || len(body) > 1000 {
					continue
				}
				what, text = strings.Replace(door, "%s", strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22", "[", "%5B", "]", "%5D").Replace(body), 1), ""
			}
			_, answer := g.call(t, what, text)
			for _, word := range []string{"json:", "jsontext", "cbor:", "Go ", "struct", "strconv", "parsing time", ".go", "unmarshal"} {
				if strings.Contains(answer, word) {
					t.Errorf("%s %.40s: the answer holds %q: %.300s", door, body, word, answer)
				}
			}
		}
	}
}

// Who has no right to a thing learns nothing of whether it exists: the answers are the same but for the name.
func TestNothingTellsWhatExists(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	g.AddUser(t, "ann@example.com", "s3cret-s3cret")
	for _, one := range [][2]string{
		{"PUT /db/thereis", ""}, {"PUT /db/thereis/ns/thereis", ""}, {"PUT /db/thereis/ns/thereis/streams/thereis/annotation", `{"a":1}`},
		{"POST /accounts/thereis", `{"name":"a","password":"s3cret-s3cret"}`}, {"POST /accounts/none", `{"name":"n","password":"s3cret-s3cret"}`},
		{"POST /rest/thereis", `{"_id":"5f0000000000000000000001","a":1}`},
	} {
		if status, text := g.call(t, one[0], one[1]); status >= 300 {
			t.Fatalf("%s: %d %s", one[0], status, text)
		}
	}
	const key, account = "key " + gatewaytest.KeyNone, "basic none:s3cret-s3cret"
	for _, one := range []struct{ who, what, body string }{
		{account, "GET /db/NAME/events", ""},
		{account, "GET /db/NAME/streams", ""},
		{account, "GET /db/NAME/ns", ""},
		{account, "GET /db/NAME/ns/NAME/streams", ""},
		{account, "PUT /db/NAME/ns/NAME", ""},
		{account, "DELETE /db/NAME", ""},
		{account, "DELETE /db/NAME/ns/NAME", ""},
		{account, "DELETE /db/NAME/ns/NAME/contents", ""},
		{account, "GET /db/NAME/ns/NAME/streams/NAME/annotation", ""},
		{account, "DELETE /db/NAME/ns/NAME/streams/NAME/annotation", ""},
		{account, "GET /db/NAME/ns/NAME/streams/NAME/events/1", ""},
		{account, "POST /db/NAME/clone?to=more", ""},
		{account, "POST /db/NAME/rename?to=more", ""},
		{account, "POST /db/NAME/grant?role=reader&username=none", ""},
		{account, "PUT /events/s.1", `{"data":1,"meta":{"db":"NAME","stream":"s","type":"t"}}`},
		{account, "GET /accounts/NAME", ""},
		{account, "DELETE /accounts/NAME", ""},
		{account, "POST /accounts/NAME", `{"name":"a","password":"s3cret-s3cret"}`},
		{account, "POST /accounts/NAME/activate", ""},
		{"basic NAME:wrong-wrong", "GET /db", ""},
		{key, "GET /db/NAME/events", ""},
		{key, "GET /db/NAME/ns/NAME/streams", ""},
		{key, "PUT /events/s.1", `{"data":1,"meta":{"db":"NAME","stream":"s","type":"t"}}`},
		{key, "POST /realtime", `{"event":"t","space":"$db/NAME","stream":"s"}`},
		{key, "GET /rest/NAME", ""},
		{key, "GET /rest/NAME/5f0000000000000000000001", ""},
		{key, "PUT /rest/NAME/5f0000000000000000000001", `{"a":1}`},
		{key, "DELETE /rest/NAME/5f0000000000000000000001", ""},
		{key, "POST /rest/NAME", `{"a":1}`},
		{key, "GET /items/NAME", ""},
		{key, "GET /items/NAME/5f0000000000000000000001", ""},
		{key, "PATCH /items/NAME/5f0000000000000000000001", `{"a":1}`},
		{key, "DELETE /items/NAME/5f0000000000000000000001", ""},
		{"", "GET /db/NAME/events", ""},
		{"", "GET /rest/NAME", ""},
		{"", "GET /items/NAME", ""},
		{"", "GET /admin/users/NAME", ""},
	} {
		var answers [2]string
		for i, name := range []string{"thereis", "nowhere"} {
			answers[i] = g.stranger(t, strings.ReplaceAll(one.who, "NAME", name), strings.ReplaceAll(one.what, "NAME", name), strings.ReplaceAll(one.body, "NAME", name))
			answers[i] = strings.ReplaceAll(answers[i], name, "NAME")
		}
		if answers[0] != answers[1] || strings.HasPrefix(answers[0], "2") && !strings.Contains(answers[0], "event: error") {
			t.Errorf("%s as %s:\nis      %s\nnowhere %s", one.what, one.who, answers[0], answers[1])
		}
	}
	known := g.Post(t, "/auth/login", `{"email":"ann@example.com","password":"wrong-wrong","mode":"json"}`, 401)
	if unknown := g.Post(t, "/auth/login", `{"email":"eve@example.com","password":"wrong-wrong","mode":"json"}`, 401); known != unknown {
		t.Errorf("a login reveals who has an account: %s and %s", known, unknown)
	}
}

// stranger sends "METHOD /path" as "key KEY", "basic USER:PASSWORD" or nobody, and gives status and body.
func (g *gateway) stranger(t *testing.T, who, what, body string) string {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	switch kind, credential, _ := strings.Cut(who, " "); kind {
	case "key":
		r.Header.Set("X-Apikey", credential)
	case "basic":
		name, password, _ := strings.Cut(credential, ":")
		r.SetBasicAuth(name, password)
	}
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 2000))
	return fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("Www-Authenticate"), answer.Header.Get("Allow"), " ", string(text), err)
}
