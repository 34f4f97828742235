package driftdb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/store/eventlog/memory"
)

// crowded is a gateway with a large room, and a small one.
func crowded(t *testing.T) (s *server, large, small string) {
	t.Helper()
	e := door(t, memory.Open(memory.Options{}), time.Hour)
	s = serve(t, e, time.Minute)
	large, small = newRoom(t, e), newRoom(t, e)
	push := `{"type":"push","key":"k","value":"` + strings.Repeat("x", 1_000_000) + `","action":{"type":"replace"}}`
	if status, text := ask(t, e, http.MethodPost, large+"/send", push); status != http.StatusOK {
		t.Fatal(status, text)
	}
	return s, large, small
}

// getBy asks for the large answer by one of the ways, and gives what reads it.
func getBy(ctx context.Context, t *testing.T, s *server, room, way string, wrap func(net.Conn) net.Conn) func() (string, error) {
	t.Helper()
	if way == "POST" {
		c, err := s.client(t, wrap).Transport.(*http.Transport).DialContext(ctx, "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		body := `{"type":"get","key":"k"}`
		if _, err := fmt.Fprintf(c, "POST %s/send HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", room, len(body), body); err != nil {
			t.Fatal(err)
		}
		return func() (string, error) {
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return "", err
			}
			text, err := io.ReadAll(answer.Body)
			return string(text), err
		}
	}
	query := map[string]string{"socket": "", "debug": "?debug=true", "cbor": "?cbor=true"}[way]
	ws := s.dial(ctx, t, room+"/connect"+query, wrap)
	if way != "debug" {
		if err := ws.Write(ctx, websocket.MessageText, []byte(`{"type":"get","key":"k"}`)); err != nil {
			t.Fatal(err)
		}
	}
	return func() (string, error) {
		_, text, err := ws.Read(ctx)
		return string(text), err
	}
}

// A crowd that asks for large answers and does not read them holds what the budget allows, and makes way for those who do:
// nobody who reads is cut, however slowly, and what is small is answered at once.
func TestUnreadAnswersMakeWay(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"socket", "POST"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				makeWay(ctx, t, way)
			})
		})
	}
}

// ways are those in which a whole room is read.
var ways = []string{"socket", "debug", "cbor", "POST"}

func makeWay(ctx context.Context, t *testing.T, crowd string) {
	server, large, small := crowded(t)
	whole := func(who string, read func() (string, error)) {
		t.Helper()
		if text, err := read(); err != nil || len(text) < 1_000_000 {
			t.Errorf("%s got %d bytes: %v", who, len(text), err)
		}
	}
	late := getBy(ctx, t, server, large, crowd, bare)
	time.Sleep(6 * time.Second) // nobody is cut while nobody waits
	whole("a late reader", late)
	slow := make(chan func(), len(ways))
	for _, way := range ways {
		read := getBy(ctx, t, server, large, way, func(c net.Conn) net.Conn { return slowly{c} })
		go func() {
			text, err := read()
			slow <- func() { whole("a slow reader by "+way, func() (string, error) { return text, err }) }
		}()
	}
	var stalled []func() (string, error)
	for range 40 {
		stalled = append(stalled, getBy(ctx, t, server, large, crowd, bare))
	}
	for _, way := range ways {
		whole("a quick reader by "+way, getBy(ctx, t, server, large, way, bare))
	}
	if text, err := getBy(ctx, t, server, small, "POST", bare)(); err != nil || text != `{"type":"init","key":"k","data":[]}`+"\n" {
		t.Errorf("a small room: %q, %v", text, err)
	}
	for range ways {
		(<-slow)()
	}
	cut := 0
	for _, read := range stalled {
		if _, err := read(); err != nil {
			cut++
		}
	}
	if cut == 0 {
		t.Error("nobody was cut")
	}
}
