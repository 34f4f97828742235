package driftdb_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
)

// A compact to nothing frees its key: what it takes away is gone, and another key can be used.
func TestCompactFreesKey(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for name, nothing := range map[string]string{"no value": ``, "null": `"value":null,`} {
		room := g.NewRoom(t)
		send := func(want, format string, args ...any) {
			t.Helper()
			if got := g.Push(t, room, fmt.Sprintf(format, args...)); !strings.HasPrefix(got, want) {
				t.Fatalf("%s: %s", name, got)
			}
		}
		const most = 100
		for i := range most {
			send("200", `{"type":"push","key":"%d","value":1,"action":{"type":"replace"}}`, i)
		}
		ws, got := g.Join(t, room, "")
		debug, init := g.Join(t, room, "?debug=true")
		gatewaytest.AwaitMessages(t, init, most)
		send("413", `{"type":"push","key":"new","value":1,"action":{"type":"append"}}`)
		send("422", `{"type":"push","key":"0",%s"action":{"type":"compact","seq":%d}}`, nothing, most+1)
		send("422", `{"type":"push","key":"0",%s"action":{"type":"compact"}}`, nothing)
		for i := range most {
			send("200 null", `{"type":"push","key":"%d",%s"action":{"type":"compact","seq":%d}}`, i, nothing, most)
		}
		send("200 null", `{"type":"push","key":"never used",%s"action":{"type":"compact","seq":%d}}`, nothing, most)
		for i := range most {
			send(`200 {"type":"init","key":"`+fmt.Sprint(i)+`","data":[]}`, `{"type":"get","key":"%d"}`, i)
		}
		for i := range most {
			send("200", `{"type":"push","key":"new %d","value":1,"action":{"type":"append"}}`, i)
		}
		send("413", `{"type":"push","key":"more","value":1,"action":{"type":"append"}}`)
		// Of the entries that came later it takes none.
		send("200", `{"type":"push","key":"new 0","value":2,"action":{"type":"append"}}`)
		send("200 null", `{"type":"push","key":"new 0",%s"action":{"type":"compact","seq":%d}}`, nothing, most+1)
		send(`200 {"type":"init","key":"new 0","data":[{"value":2,"seq":201}]}`, `{"type":"get","key":"new 0"}`)
		// Only debug connections get a message.
		gatewaytest.SendText(t, ws, `{"type":"get","key":"0"}`)
		for _, text := range gatewaytest.AwaitMessages(t, got, most+2) {
			if !strings.Contains(text, `"new `) && !strings.HasPrefix(text, `{"type":"init","key":"0","data":[]}`) {
				t.Errorf("%s: %s", name, text)
			}
		}
		if all := strings.Join(gatewaytest.AwaitMessages(t, init, 2*most), "\n"); !strings.Contains(all, `{"type":"init","key":"99","data":[]}`) {
			t.Errorf("%s: the debug connection got no message", name)
		}
		_, _ = ws.CloseNow(), debug.CloseNow()
	}
}

// A message over MAX_BODY is answered by an error; the WebSocket stays, and what follows is taken.
func TestLongMessageOfRoom(t *testing.T) {
	t.Parallel()
	const maxBody = 1 << 20
	g := newGateway(t)
	for _, action := range []string{`{"type":"compact","seq":0}`, `{"type":"append"}`, `{"type":"relay"}`} {
		for _, over := range []int{1, 1 << 20, 3 << 20} {
			ws, got := g.Join(t, g.NewRoom(t), "")
			head, tail := `{"type":"push","key":"k","value":"`, `","action":`+action+`}`
			gatewaytest.SendText(t, ws, head+strings.Repeat("x", maxBody-len(head)-len(tail)+over)+tail)
			gatewaytest.SendText(t, ws, replaceOne)
			// Pushes of the room and answers to the client come from two sources, so either may be first.
			all := gatewaytest.AwaitMessages(t, got, 2)
			slices.Sort(all)
			if !strings.HasPrefix(all[0], `{"type":"error"`) || !strings.Contains(all[0], "MAX_BODY") || !strings.HasPrefix(all[1], `{"type":"push"`) {
				t.Errorf("%s with %d bytes too many: %.200q", action, over, all)
			}
		}
	}
	ws, _ := g.Join(t, g.NewRoom(t), "") // it does not go on for ever
	w, err := ws.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for err == nil && n < 40*maxBody {
		_, err = w.Write(make([]byte, 64<<10))
		n += 64 << 10
	}
	if err == nil {
		t.Errorf("%d bytes were taken", n)
	}
}

// A frame that is not masked closes the connection with 1002: RFC 6455, 5.1.
func TestUnmaskedFrame(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	for _, path := range []string{"/room/" + g.NewRoom(t) + "/connect", "/websocket?access_token=" + gatewaytest.KeyItems} {
		for name, frames := range map[string]string{
			"text": "\x81\x02{}", "binary": "\x82\x01\xa0", "ping": "\x89\x00", "close": "\x88\x02\x03\xe8", "empty": "\x81\x00",
			"a later part": "\x01\x81\x00\x00\x00\x00{" + "\x80\x01}",
		} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, frames); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			answer := make([]byte, 0, 1024)
			for !strings.Contains(string(answer), "\x03\xea") && ctx.Err() == nil {
				b := make([]byte, 1024)
				n, err := conn.Read(b)
				if answer = append(answer, b[:n]...); err != nil {
					break
				}
			}
			cancel()
			if !strings.Contains(string(answer), "\x03\xea") {
				t.Errorf("%s, %s: %q", path, name, answer)
			}
			_ = conn.Close()
		}
	}
}
