package handlers_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
)

// heap returns the bytes that are live.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// wideFilter is a filter of about 8.7 KB, another one for each n.
func wideFilter(n int) string {
	var b strings.Builder
	b.WriteString(`{"_or":[`)
	for i := range 40 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"a%d_%d":{"_in":[`, i, n)
		for j := range 40 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprint(&b, 1000+(n*1600+i*40+j)%9000)
		}
		b.WriteString("]}}")
	}
	b.WriteString("]}")
	return b.String()
}

// manyConditions is a filter of 900 bytes whose compiled form takes many times that.
func manyConditions(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"_or":[{"z":%d}`, n)
	for i := range 99 {
		fmt.Fprintf(&b, `,{"a":%d}`, i)
	}
	b.WriteString("]}")
	return b.String()
}

// emptyGroups is a filter of many groups with nothing in them.
func emptyGroups(n int) string {
	return fmt.Sprintf(`{"_and":[{"z":%d}%s]}`, n, strings.Repeat(",{}", 3000))
}

func shortWords(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"z":{"_in":["%d"`, n)
	for i := range 900 {
		fmt.Fprintf(&b, `,"%x"`, i)
	}
	b.WriteString("]}}")
	return b.String()
}

// TestSubscriptionMemory: what subscriptions hold is at most four times what was sent for them, beside what each of
// them takes anyway, and no more than is charged.
func TestSubscriptionMemory(t *testing.T) {
	const sockets, each = 4, 50
	const base = 48 << 10 // of a socket
	for name, filter := range map[string]func(int) string{"wide": wideFilter, "conditions": manyConditions, "groups": emptyGroups, "words": shortWords} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, gatewaytest.WithItems)
			before, sent := heap(), int64(0)
			var all []*gatewaytest.Socket
			for i := range sockets {
				s := g.Socket(t, gatewaytest.KeyItems)
				all = append(all, s)
				for j := range each {
					text := fmt.Sprintf(`{"type":"subscribe","collection":"m","event":"create","uid":"%d","query":{"filter":%s}}`, j, filter(i*each+j))
					sent += int64(len(text))
					s.Send(text)
					s.Expect(fmt.Sprintf(`{"type":"subscription","event":"init","uid":"%d"}`, j))
				}
			}
			g.RunAll(t, []scenario{{Name: "a change", Method: "POST", Path: "/items/m", Key: gatewaytest.KeyItems, Body: `{"z":-1}`, Status: 200}})
			for _, s := range all {
				s.ExpectNothing() // it has dealt with the change
			}
			held, charged := heap()-before, g.Memory.Held()
			t.Logf("sent %d, held %d, charged %d: %.1f times", sent, held, charged, float64(held)/float64(sent))
			if most := 4*sent + sockets*base + sockets*each*4096; held > most {
				t.Errorf("%d bytes sent make %d held, more than %d", sent, held, most)
			}
			if held > charged*3/2+sockets*base+sockets*each*2048 {
				t.Errorf("%d bytes held, %d charged", held, charged)
			}
		})
	}
}

// full is the refusal of a client that holds too much.
const full = "this credential (without one, this address) uses as much memory as MAX_MEMORY_PER_KEY allows, 1048576 bytes; end connections or subscriptions, or send less"

// withLittle lets a credential hold 1 MiB.
func withLittle(s *setup) { s.MaxMemoryPerKey, s.MaxClientMemory = 1<<20, 8<<20 }

// bystander checks that another key can subscribe and gets new items.
func (g *gateway) bystander(t *testing.T) {
	t.Helper()
	s := g.Socket(t, gatewaytest.KeyReader)
	s.Send(`{"type":"subscribe","collection":"messages","event":"create","uid":"1","query":{"fields":["n"]}}`)
	s.Expect(`{"type":"subscription","event":"init","uid":"1"}`)
	g.RunAll(t, []scenario{{Name: "a bystander's", Method: "POST", Path: "/items/messages", Key: gatewaytest.KeyWriter, Body: `{"n":1}`, Status: 204}})
	s.Expect(gatewaytest.SubscriptionMessage("create", `[{"n":1}]`, "1"))
	s.WS.CloseNow()
}

// TestSubscriptionsFull: who has filled its part of the memory with subscriptions is refused further ones, and nobody
// else is; what has ended makes room.
func TestSubscriptionsFull(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, withLittle)
	s := g.Socket(t, gatewaytest.KeyItems)
	subscribe := func(i int) string {
		s.Send(fmt.Sprintf(`{"type":"subscribe","collection":"m","event":"create","uid":"%d","query":{"filter":%s}}`, i, wideFilter(i)))
		text, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	there := 0
	for ; there < 100; there++ {
		text := subscribe(there)
		if text == fmt.Sprintf(`{"type":"subscription","event":"init","uid":"%d"}`, there) {
			continue
		}
		refused := `"status":"error","error":{"code":"REQUESTS_EXCEEDED","message":"` + full + `"}`
		// There is no room for the subscription, or, near the bound, already none for the message.
		if text != fmt.Sprintf(`{"type":"subscribe",%s,"uid":"%d"}`, refused, there) && text != `{"type":"server",`+refused+`}` {
			t.Fatalf("got %s", text)
		}
		break
	}
	if held := g.Memory.Held(); there < 20 || there == 100 || held > 1<<20 {
		t.Errorf("%d subscriptions hold %d bytes", there, held)
	}
	g.bystander(t)
	s.Send(`{"type":"unsubscribe"}`)
	s.Expect(`{"type":"subscription","event":"unsubscribe"}`)
	if text := subscribe(0); text != `{"type":"subscription","event":"init","uid":"0"}` || g.Memory.Held() > 1<<16 {
		t.Errorf("%s; %d bytes are held", text, g.Memory.Held())
	}
	g.AwaitMetric(t, "sluice_client_memory_refused_total 1")
}

// TestFeedsFull: the same for feeds of databases, which report it as an event.
func TestFeedsFull(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo, withLittle)
	sent := 0
	open := func(n int) string {
		types := make([]string, 100)
		for i := range types {
			types[i] = fmt.Sprintf("%d-%d-%s", n, i, strings.Repeat("x", 100))
		}
		sent = len(strings.Join(types, ","))
		c := g.Dial(t, "GET /db/demo/events?types="+strings.Join(types, ",")+" HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: "+gatewaytest.Basic("demo", "demo")+"\r\n\r\n")
		text := make([]byte, 4096)
		n, err := c.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(string(text[:n]), "\r\n\r\n") { // the head came alone
			more, err := c.Read(text[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += more
		}
		return string(text[:n])
	}
	open(0)
	if held := g.Memory.Held(); held < 5*int64(sent) { // the hub has a matcher of them, and the feed another
		t.Errorf("types of %d bytes are charged as %d", sent, held)
	}
	for n := range 200 {
		if text := open(n); strings.Contains(text, "event: error") {
			if held := g.Memory.Held(); !strings.Contains(text, full) || n < 10 || held > 1<<20 {
				t.Errorf("%d feeds hold %d bytes: %s", n, held, text)
			}
			return
		}
	}
	t.Errorf("nobody was refused; %d bytes are held", g.Memory.Held())
}

// half sends a part of a message.
func half(t *testing.T, ws *websocket.Conn, text string) io.WriteCloser {
	t.Helper()
	w, err := ws.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestMessagesFull: messages are charged while they arrive. One that does not fit is refused with an error, and the
// connection continues; others notice nothing.
func TestMessagesFull(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, withLittle, func(s *setup) { s.ReadTimeout = time.Minute })
	hold := g.Socket(t, gatewaytest.KeyItems)
	rest := half(t, hold.WS, `{"type":"ping","uid":"`+strings.Repeat("x", 400_000))
	g.holds(t, 400_000)
	s := g.Socket(t, gatewaytest.KeyItems)
	s.Send(`{"type":"ping","uid":"` + strings.Repeat("x", 900_000) + `"}`)
	s.Expect(`{"type":"server","status":"error","error":{"code":"REQUESTS_EXCEEDED","message":"` + full + `"}}`)
	s.ExpectNothing()
	g.bystander(t)
	hold.WS.CloseNow()
	_ = rest
	g.holds(t, 0)
	s.Send(`{"type":"ping","uid":"` + strings.Repeat("x", 200_000) + `"}`)
	s.Expect(`{"type":"server","status":"error","error":{"code":"INVALID_PAYLOAD","message":"a uid must be a string or a number of at most 128 bytes"}}`)

	room := g.NewRoom(t)
	one, _ := g.Join(t, room, "")
	half(t, one, `{"type":"push","key":"`+strings.Repeat("x", 400_000))
	g.holds(t, 400_000)
	other, got := g.Join(t, room, "")
	if err := other.Write(t.Context(), websocket.MessageText, []byte(`{"type":"push","action":{"type":"relay"},"key":"k","value":"`+strings.Repeat("x", 900_000)+`"}`)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(got()) == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if text := strings.Join(got(), " "); text != `{"type":"error","message":"`+full+`"}` {
		t.Error(text)
	}
}

// TestHalfMessageInRoom: a message that has begun has to be there soon.
func TestHalfMessageInRoom(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.ReadTimeout = 100 * time.Millisecond })
	room := g.NewRoom(t)
	one, _ := g.Join(t, room, "")
	if err := one.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	half(t, one, `{"type":"push","key":"`+strings.Repeat("x", 10_000))
	g.AwaitStreams(t, 0)
}

// holds wants about as much to be held, soon.
func (g *gateway) holds(t *testing.T, least int64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		held := g.Memory.Held()
		if held >= least && held <= 3*least {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are held, not about %d", held, least)
		}
	}
}

// TestBodiesFull: half-sent bodies are charged as they come, and cost nothing before; who has no credential sends little.
func TestBodiesFull(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, withLittle, func(s *setup) { s.ReadTimeout = time.Minute })
	post := func(path, key string, length, sent int) net.Conn {
		return g.Dial(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nX-Apikey: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, key, length, strings.Repeat(" ", sent)))
	}
	for range 40 {
		post("/items/m", gatewaytest.KeyItems, 900_000, 100) // who says that it will send much
	}
	one := post("/items/m", gatewaytest.KeyItems, 900_000, 500_000)
	g.holds(t, 500_000)
	g.RunAll(t, []scenario{
		{Name: "one more", Path: "/items/m", Key: gatewaytest.KeyItems, Body: strings.Repeat(" ", 600_000) + "{}", Status: 429, Has: []string{`"code":"REQUESTS_EXCEEDED"`, full}},
		{Name: "a small one of many fields", Path: "/items/m", Key: gatewaytest.KeyItems, Body: wide(12_000), Status: 429, Has: []string{`"code":"REQUESTS_EXCEEDED"`, full}},
		{Name: "nobody", Path: "/auth/login", Key: "-", Body: strings.Repeat(" ", 9_000) + "{}", Status: 413, Has: []string{"the body is larger than the limit before authentication, 8192 bytes"}},
	})
	g.bystander(t)
	one.Close()
	g.holds(t, 0)
	g.RunAll(t, []scenario{{Name: "again", Path: "/items/m", Key: gatewaytest.KeyItems, Body: strings.Repeat(" ", 500_000) + `{"id":"1"}`, Status: 200}})
}

// wide is an object of many fields, which takes much more memory once it is parsed than as a text.
func wide(fields int) string {
	var b strings.Builder
	for i := range fields {
		fmt.Fprintf(&b, ",%q:{}", strconv.Itoa(i))
	}
	return "{" + b.String()[1:] + "}"
}

// TestHalfMessages: who has not authenticated makes the gateway hold little.
func TestHalfMessages(t *testing.T) {
	const sockets = 300
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.WebSocketAuthTimeout, s.MaxPending = time.Minute, 8*sockets })
	before := heap()
	for range sockets {
		s, _ := g.DialSocket(t, "", http.Header{"X-Junk": {strings.Repeat("x", 100_000)}})
		w, err := s.WS.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(`{"type":"auth","access_token":"` + strings.Repeat("x", 8000))); err != nil {
			t.Fatal(err)
		}
	}
	held := heap() - before
	t.Logf("%d a socket, both ends", held/sockets)
	if held > sockets*(48<<10) {
		t.Errorf("%d bytes for each of %d sockets", held/sockets, sockets)
	}
	s, _ := g.DialSocket(t, "", nil)
	s.Send(`{"type":"auth","access_token":"` + strings.Repeat("x", 8<<10) + `"}`)
	s.ExpectClose(websocket.StatusMessageTooBig)
}
