package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// secured starts a server with TLS and HTTP/2, and returns its address and the file with its certificate.
func secured(t *testing.T, handler http.Handler) (server *httptest.Server, ca string) {
	t.Helper()
	server = httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server, ca
}

// versions counts the connections and requests of subscribers, by protocol.
type versions struct {
	http.Handler
	mu       sync.Mutex
	conns    map[string]bool
	requests map[string]int
}

func (v *versions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		v.mu.Lock()
		v.conns[r.RemoteAddr] = true
		v.requests[fmt.Sprint(r.Proto, " ", r.TLS != nil)]++
		v.mu.Unlock()
	}
	v.Handler.ServeHTTP(w, r)
}

// Faults are found over TLS and HTTP/2 as they are in clear text, on as many connections as asked for.
func TestRunOverTLS(t *testing.T) {
	for _, protocol := range []struct {
		name     string
		http2    int
		proto    string
		conns    int
		insecure bool
	}{
		{"TLS", 0, "HTTP/1.1 true", 7, false}, {"any certificate", 0, "HTTP/1.1 true", 7, true},
		{"a stream a connection", 1, "HTTP/2.0 true", 7, false}, {"three streams a connection", 3, "HTTP/2.0 true", 3, false},
	} {
		for name, tt := range map[string]struct {
			times func(int) int
			want  Check
		}{
			"right":   {func(int) int { return 1 }, Check{Received: 140}},
			"loses":   {func(n int) int { return min(1, n%10) }, Check{Received: 126, Lost: 14}},
			"repeats": {func(n int) int { return 1 + n/19 }, Check{Received: 147, Repeated: 7}},
		} {
			t.Run(protocol.name+" "+name, func(t *testing.T) {
				v := &versions{Handler: &careless{streams: map[chan string]bool{}, times: tt.times}, conns: map[string]bool{}, requests: map[string]int{}}
				server, ca := secured(t, v)
				o := Options{
					Target: server.URL, CA: ca, HTTP2: protocol.http2, Subscribe: "/", Publish: "/", Body: "{payload}", ContentType: "text/plain",
					Subscribers: 7, Channels: 1, Publishers: 1, Batch: 1, Events: 20, Size: 40_000, Wait: time.Second,
				}
				if protocol.insecure {
					o.CA, o.Insecure = "", true
				}
				report, err := Run(context.Background(), o)
				if report == nil {
					t.Fatal(err)
				}
				// The run is over when as many events have arrived as were published. A repetition counts, so one more may be late.
				if got := report.Check; got.Received < tt.want.Received-7 || got.Lost < tt.want.Lost || got.Lost > tt.want.Lost+got.Repeated || (err == nil) != tt.want.OK() {
					t.Errorf("%+v %v, want %+v", got, err, tt.want)
				}
				if len(v.conns) != protocol.conns || v.requests[protocol.proto] != 7 || len(v.requests) != 1 {
					t.Errorf("%d connections, %v", len(v.conns), v.requests)
				}
			})
		}
	}
}

// WebSockets are read over TLS, too.
func TestRunSocketsOverTLS(t *testing.T) {
	s := &textServer{said: map[string]bool{}, times: func(int) int { return 1 }}
	server, ca := secured(t, s)
	report, err := Run(context.Background(), Options{
		Target: server.URL, CA: ca, Subscribe: "/", Method: "PUT", Publish: "/doc{n}", Body: "b{n}", ContentType: "text/plain",
		WebSocket: true, Say: []string{"I am {i}", "listening"}, Ready: "all ready", Count: "changed",
		Subscribers: 3, Channels: 1, Publishers: 1, Batch: 1, Events: 20, Size: 100, Wait: 5 * time.Second,
	})
	if err != nil || report.Check != (Check{Received: 60}) || len(s.said) != 4 {
		t.Errorf("%+v %v, the subscribers said %v", report, err, s.said)
	}
}

// Answers that end are read to their end over each protocol.
func TestReadOverTLS(t *testing.T) {
	for _, http2 := range []int{0, 1, 2} {
		server, ca := secured(t, &shelf{})
		report, err := Run(context.Background(), Options{
			Target: server.URL, CA: ca, HTTP2: http2, Subscribe: "/", Publish: "/", Body: `{"event":"one","data":"{payload}"}`, ContentType: "application/json",
			Subscribers: 3, Channels: 1, Publishers: 1, Batch: 1, Size: 100, Read: 20, Among: 40, Wait: 5 * time.Second,
		})
		if err != nil || report.Check != (Check{Received: 60}) {
			t.Errorf("%d streams: %+v %v", http2, report, err)
		}
	}
}

// What a server does wrong before and in a stream ends the run, with the reason.
func TestRunOverTLSFails(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusUnauthorized) })
	brief := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprint(w, "data: x\n\n")
	})
	torn := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		if r.Method == http.MethodGet {
			panic(http.ErrAbortHandler)
		}
	})
	stranger := filepath.Join(t.TempDir(), "stranger.pem")
	if err := os.WriteFile(stranger, newCertificate(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		handler http.Handler
		change  func(*Options)
		want    string
	}{
		"a certificate that nobody trusts": {refuse, func(o *Options) { o.CA = "" }, "certificate"},
		"another's certificate":            {refuse, func(o *Options) { o.CA = stranger }, "certificate"},
		"a file that is not there":         {refuse, func(o *Options) { o.CA = "/no/such/file" }, "--ca"},
		"a file without a certificate":     {refuse, func(o *Options) { o.CA = "tls.go" }, "no certificate"},
		"a refusal":                        {refuse, func(*Options) {}, "401"},
		"a refusal over HTTP/2":            {refuse, func(o *Options) { o.HTTP2 = 2 }, "status 401"},
		"an end":                           {brief, func(*Options) {}, "ended the stream"},
		"an end over HTTP/2":               {brief, func(o *Options) { o.HTTP2 = 2 }, "ended the stream"},
		"a reset over HTTP/2":              {torn, func(o *Options) { o.HTTP2 = 2 }, "reset a stream"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ca := secured(t, tt.handler)
			o := Options{Target: server.URL, CA: ca, Subscribe: "/", Publish: "/", Subscribers: 4, Channels: 1, Publishers: 1, Batch: 1, Size: 100, Wait: 5 * time.Second, Events: 1}
			tt.change(&o)
			if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// newCertificate is one that no server here has.
func newCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	like := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, like, like, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// A server that has only HTTP/1.1 is not taken for one that has HTTP/2.
func TestNoHTTP2(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	_, err := Run(context.Background(), Options{Target: server.URL, Insecure: true, HTTP2: 1, Subscribe: "/", Subscribers: 1, Channels: 1, Publishers: 1, Batch: 1, Size: 100, Wait: time.Second})
	if err == nil || !strings.Contains(err.Error(), "HTTP/2") && !strings.Contains(err.Error(), "protocol") {
		t.Errorf("%v", err)
	}
}

// fickle is a server that ends connections: after some requests, with or without notice.
type fickle struct {
	after  int
	notice bool
	seen   sync.Map // requests, by the client's address
	keys   sync.Map
	events atomic.Int64 // without repetitions
}

func (f *fickle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	count, _ := f.seen.LoadOrStore(r.RemoteAddr, new(atomic.Int64))
	n := count.(*atomic.Int64).Add(1) // a new connection is not ended at once: what is lost on it is not sent again
	key := r.Header.Get("Idempotency-Key")
	_, again := f.keys.LoadOrStore(key, true)
	if again = again && key != ""; !again {
		f.events.Add(1)
	}
	if int(n)%f.after == 0 && !again {
		if !f.notice {
			panic(http.ErrAbortHandler) // no answer, and the connection ends
		}
		w.Header().Set("Connection", "close")
	}
	fmt.Fprint(w, "{}")
}

// A publisher goes on with a new connection when the server ends one. What got no answer is sent again only if the server
// can know the repetition.
func TestPublishersGoOn(t *testing.T) {
	for name, tt := range map[string]struct {
		notice  bool
		headers []string
		want    string
	}{
		"with notice":            {true, nil, ""},
		"without notice":         {false, nil, "Idempotency-Key"},
		"without notice, a key":  {false, []string{"Idempotency-Key: {run}-{n}"}, ""},
		"a key that is the same": {true, []string{"idempotency-key: {run}"}, " 1 events"},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(name, secure), func(t *testing.T) {
				f := &fickle{after: 10, notice: tt.notice}
				o := Options{Publish: "/", Body: "{payload}", Headers: tt.headers, Channels: 1, Publishers: 2, Batch: 1, Events: 100, Size: 100, Wait: time.Second}
				if secure {
					server, ca := secured(t, f)
					o.Target, o.CA = server.URL, ca
				} else {
					server := httptest.NewServer(f)
					defer server.Close()
					o.Target = server.URL
				}
				_, err := Run(context.Background(), o)
				if got := fmt.Sprint(err, " ", f.events.Load(), " events"); err != nil && tt.want == "" || !strings.Contains(got, tt.want) || tt.want == "" && f.events.Load() != 100 {
					t.Errorf("%s, want %q", got, tt.want)
				}
			})
		}
	}
}
