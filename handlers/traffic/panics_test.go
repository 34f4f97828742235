package traffic

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/writers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fragileNotices panic at one place.
type fragileNotices struct{ at string }

func (w fragileNotices) say(at string) []byte {
	if w.at == at {
		panic("in " + at)
	}
	return []byte(": " + at + "\n")
}

func (w fragileNotices) Opening(*broker.Subscriber) []byte         { return w.say("opening") }
func (w fragileNotices) Ping(*broker.Subscriber, time.Time) []byte { return w.say("ping") }
func (w fragileNotices) Live() []byte                              { return w.say("live") }
func (w fragileNotices) Over(uint64, writers.RangeEnd) []byte      { return w.say("over") }
func (w fragileNotices) Last(broker.End) []byte                    { return w.say("last") }

// TestWritersContainPanics: wherever a stream panics at its writer, it ends and gives everything back, and the others go on.
func TestWritersContainPanics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		shards int
		later  bool
	}{{1, false}, {-1, false}, {-1, true}} {
		for _, at := range []string{"opening", "ping", "live", "last"} {
			o, _ := opener(t, Limits{})
			w, err := writers.New(writers.Config{Broker: o.Broker, PingInterval: 20 * time.Millisecond, WriteTimeout: time.Second, Shards: tt.shards, Observer: o.Traffic})
			if err != nil {
				t.Fatal(err)
			}
			e, opened := echo.New(), make(chan *broker.Subscriber, 2)
			e.GET("/:at", func(c echo.Context) (err error) {
				defer func() { // as the gateway's middleware does
					if cause := recover(); cause != nil {
						c.Response().Committed = true
						panic(http.ErrAbortHandler)
					}
				}()
				lease := o.Lease(c, &auth.Identity{Scope: "a"})
				defer lease.Close()
				if err := lease.Enter(); err != nil {
					return err
				}
				lease.Notices = fragileNotices{c.Param("at")}
				if c.Param("at") == "live" {
					lease.Range = &writers.Range{Last: writers.Endless}
				}
				place, err := lease.SubscribeAt(w, c, broker.Filter{})
				if err != nil {
					return err
				}
				opened <- lease.Subscriber
				lease.Serve(c, place)
				return nil
			})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !tt.later {
					e.ServeHTTP(w, r)
					return
				}
				answer := &writers.Later{ResponseWriter: w}
				e.ServeHTTP(answer, r)
				answer.Serve()
			}))
			calm, err := server.Client().Get(server.URL + "/calm")
			if err != nil {
				t.Fatal(err)
			}
			<-opened
			if broken, err := server.Client().Get(server.URL + "/" + at); err == nil {
				if sub := <-opened; at == "last" {
					sub.End(broker.EndDraining)
				}
				_, _ = io.Copy(io.Discard, broken.Body) // until the gateway ends it, as it has begun
				broken.Body.Close()
			}
			deadline := time.Now().Add(10 * time.Second)
			for o.Traffic.Streams() != 1 || o.Broker.Count() != 1 {
				if time.Now().After(deadline) {
					t.Fatalf("%s, %+v: %d streams, %d subscribers", at, tt, o.Traffic.Streams(), o.Broker.Count())
				}
				time.Sleep(time.Millisecond)
			}
			lines, pings := bufio.NewScanner(calm.Body), 0
			for pings < 3 && lines.Scan() {
				if strings.Contains(lines.Text(), "ping") {
					pings++
				}
			}
			if pings < 3 {
				t.Errorf("%s, %+v: the other ends: %v", at, tt, lines.Err())
			}
			calm.Body.Close()
			server.CloseClientConnections()
			for o.Traffic.Streams() != 0 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			server.Close()
			w.Close()
			o.nothing(t)
		}
	}
}
