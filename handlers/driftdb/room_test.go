package driftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/broker"
	"sluice/gateway/gatewaytest"
	"sluice/handlers"
	"sluice/handlers/driftdb"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/rooms"
	"sluice/store/share"
)

const (
	writeTimeout = time.Second
	roomBytes    = 1 << 20
)

// door is the handler over an engine, with the test's own time.
func door(t *testing.T, engine eventlog.Engine, retention time.Duration, change ...func(*driftdb.Options)) *echo.Echo {
	t.Helper()
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, memory := broker.New(log, broker.Options{}), share.NewMemory(64<<20, 256<<20)
	o := driftdb.Options{
		Auth: new(auth.Authenticator), Broker: b, Traffic: traffic.New(traffic.NewMetrics(prometheus.NewRegistry(), b, memory), traffic.Limits{}, memory), Logger: slog.New(slog.DiscardHandler),
		Create: driftdb.Anybody, Retention: retention, Unused: retention, Bound: eventlog.Bound{Bytes: roomBytes}, PingInterval: time.Minute, WriteTimeout: writeTimeout, ReadTimeout: time.Second, MaxBody: 1 << 20,
		Limits: rooms.Limits{Rooms: 100_000, CreateRate: 1000, CreateRateAll: 1000, CreateRateKey: 1000, Connections: 1000, Rate: 2000, ConnectionRate: 300, Flood: time.Minute}, Shards: -1, // time stands still around a system call
	}
	for _, f := range change {
		f(&o)
	}
	h, err := driftdb.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	e := echo.New()
	e.HTTPErrorHandler = httperr.Handler(slog.New(slog.DiscardHandler))
	h.Register(e)
	return e
}

type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetReadDeadline(time.Time) error { return nil }

func ask(t *testing.T, e *echo.Echo, method, path, body string) (status int, answer string) {
	t.Helper()
	return askFrom(t, e, "192.0.2.1", method, path, body)
}

func askFrom(t *testing.T, e *echo.Echo, address, method, path, body string) (status int, answer string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = net.JoinHostPort(address, "1234")
	e.ServeHTTP(deadlines{w}, r)
	return w.Code, w.Body.String()
}

func newRoom(t *testing.T, e *echo.Echo) string {
	t.Helper()
	var made struct{ Room string }
	if status, text := ask(t, e, http.MethodPost, "/new", ""); status != http.StatusOK || json.Unmarshal([]byte(text), &made) != nil {
		t.Fatal(status, text)
	}
	return "/room/" + made.Room
}

const replace = `{"type":"push","key":"k","value":1,"action":{"type":"replace"}}`

// Who keeps rooms for longer than there is time since 1970 keeps them.
func TestLongRetention(t *testing.T) {
	t.Parallel()
	for _, retention := range []time.Duration{24 * time.Hour, 876000 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			e := door(t, memory.Open(memory.Options{}), retention)
			room := newRoom(t, e)
			time.Sleep(12 * time.Hour)
			if status, text := ask(t, e, http.MethodGet, room+"/presence", ""); status != http.StatusOK {
				t.Errorf("kept for %s: %d %s", retention, status, text)
			}
			time.Sleep(13 * time.Hour)
			want := map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[retention == 24*time.Hour]
			if status, text := ask(t, e, http.MethodGet, room+"/presence", ""); status != want {
				t.Errorf("kept for %s: %d %s", retention, status, text)
			}
		})
	}
}

// A clock that is set takes no room away that is young, and keeps none that is old.
func TestSetClockDropsNoRoom(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{1000 * time.Hour, -1000 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var stepped atomic.Int64
			began := time.Now()
			source := eventlog.Source{
				Now: func() (wall, elapsed int64) {
					passed := time.Since(began).Microseconds()
					return began.UnixMicro() + passed + stepped.Load(), passed
				},
				Boot: func() (string, int64) { return "", 0 },
			}
			e := door(t, memory.Open(memory.Options{Source: source}), 24*time.Hour)
			unused, used := newRoom(t, e), newRoom(t, e)
			is := func(when string, want int) {
				t.Helper()
				for _, room := range []string{unused, used} {
					if status, text := ask(t, e, http.MethodGet, room+"/presence", ""); status != want {
						t.Errorf("%s, set by %s: %d %s", when, step, status, text)
					}
				}
			}
			time.Sleep(time.Hour)
			stepped.Store(step.Microseconds())
			if status, text := ask(t, e, http.MethodPost, used+"/send", replace); status != http.StatusOK {
				t.Fatal(status, text)
			}
			time.Sleep(22 * time.Hour)
			is("after 23 hours", http.StatusOK)
			time.Sleep(3 * time.Hour)
			is("after 26 hours", http.StatusNotFound)
		})
	}
}

// listed calls a function when rooms were listed.
type listed struct {
	eventlog.Engine
	then atomic.Pointer[func()]
}

func (l *listed) Rows(prefix string, f func(eventlog.Row) error) error {
	err := l.Engine.Rows(prefix, f)
	if then := l.then.Load(); strings.HasPrefix(prefix, "keyed/") && then != nil {
		(*then)()
	}
	return err
}

// What was said in a room after it was found to be old keeps it.
func TestDropMeetsPush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &listed{Engine: memory.Open(memory.Options{})}
		e := door(t, engine, time.Hour)
		room := newRoom(t, e)
		time.Sleep(time.Hour + 30*time.Second)
		var said atomic.Int32
		then := func() {
			if said.Add(1) > 1 {
				return
			}
			if status, text := ask(t, e, http.MethodPost, room+"/send", replace); status != http.StatusOK {
				t.Error(status, text)
			}
		}
		engine.then.Store(&then)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if status, text := ask(t, e, http.MethodPost, room+"/send", `{"type":"get","key":"k"}`); said.Load() == 0 || status != http.StatusOK || !strings.Contains(text, `"value":1`) {
			t.Errorf("%d: %d %s", said.Load(), status, text)
		}
		time.Sleep(2 * time.Hour)
		if status, text := ask(t, e, http.MethodGet, room+"/presence", ""); status != http.StatusNotFound {
			t.Errorf("still there: %d %s", status, text)
		}
	})
}

// edits counts commits of edits.
type edits struct {
	eventlog.Engine
	n atomic.Int64
}

func (c *edits) Commit(g *eventlog.Group) error {
	if g.Edit != nil {
		c.n.Add(1)
	}
	return c.Engine.Commit(g)
}

// Many old rooms are dropped in few commits: who makes them shares commits too, and is not to be faster.
func TestDropMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &edits{Engine: memory.Open(memory.Options{})}
		e := door(t, engine, time.Hour)
		const n = 200
		rooms := make([]string, n)
		for i := range rooms {
			rooms[i] = newRoom(t, e)
			if status, text := ask(t, e, http.MethodPost, rooms[i]+"/send", replace); status != http.StatusOK {
				t.Fatal(status, text)
			}
		}
		time.Sleep(2 * time.Hour)
		for _, room := range rooms {
			if status, text := ask(t, e, http.MethodGet, room+"/presence", ""); status != http.StatusNotFound {
				t.Fatal(status, text)
			}
		}
		if got := engine.n.Load(); got > n/20 {
			t.Errorf("%d rooms were dropped in %d commits", n, got)
		}
	})
}

// server serves a door in memory, for a bubble of synctest.
type server struct {
	*httptest.Server
	pipes *gatewaytest.Pipes
}

// serve starts a server that closes a connection if the client takes nothing for the timeout. Its connections hold
// little, so that a slow reader is felt at once.
func serve(t *testing.T, e http.Handler, timeout time.Duration) *server {
	t.Helper()
	s := &server{pipes: gatewaytest.NewPipes(128 << 10)}
	s.Server = &httptest.Server{Listener: &handlers.Listener{Listener: s.pipes, Timeout: timeout}, Config: &http.Server{Handler: e}}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// client makes a client whose connections are wrapped.
func (s *server) client(t *testing.T, wrap func(net.Conn) net.Conn) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := s.pipes.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { c.Close() })
		return wrap(c), nil
	}}}
}

func bare(c net.Conn) net.Conn { return c }

// dial opens a WebSocket of a room.
func (s *server) dial(ctx context.Context, t *testing.T, path string, wrap func(net.Conn) net.Conn) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http")+path, &websocket.DialOptions{HTTPClient: s.client(t, wrap)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	ws.SetReadLimit(1 << 21)
	return ws
}

// slowly reads a little at a time.
type slowly struct{ net.Conn }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(40 * time.Millisecond)
	return s.Conn.Read(b[:min(len(b), 16<<10)])
}

// Who reads slowly, but does read, gets a message that takes longer than WRITE_TIMEOUT; who reads nothing is closed.
func TestSlowSocket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := door(t, memory.Open(memory.Options{}), time.Hour)
		server := serve(t, e, writeTimeout)
		room := newRoom(t, e)
		const long = 1_000_000
		if status, text := ask(t, e, http.MethodPost, room+"/send", `{"type":"push","key":"k","value":"`+strings.Repeat("x", long)+`","action":{"type":"replace"}}`); status != http.StatusOK {
			t.Fatal(status, text)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		ws := server.dial(ctx, t, room+"/connect", func(c net.Conn) net.Conn { return slowly{c} })
		if err := ws.Write(ctx, websocket.MessageText, []byte(`{"type":"get","key":"k"}`)); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, text, err := ws.Read(ctx); err != nil || len(text) < long {
			t.Errorf("got %d bytes within %s: %v", len(text), time.Since(begun), err)
		}
		if took := time.Since(begun); took < 2*writeTimeout {
			t.Fatal("the reader was too fast to show anything:", took) // its 60 reads wait 40 ms each
		}
		stuck := server.dial(ctx, t, room+"/connect", bare)
		if err := stuck.Write(ctx, websocket.MessageText, []byte(`{"type":"get","key":"k"}`)); err != nil {
			t.Fatal(err)
		}
		for stuck.Write(ctx, websocket.MessageText, []byte(`{"type":"ping"}`)) == nil {
			time.Sleep(50 * time.Millisecond)
		}
		if ctx.Err() != nil {
			t.Error("who reads nothing is still there")
		}
	})
}
