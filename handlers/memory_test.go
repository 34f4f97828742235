package handlers_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
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
			g := newGateway(t, withItems)
			before, sent := heap(), int64(0)
			var all []*socket
			for i := range sockets {
				s := g.socket(t, keyItems)
				all = append(all, s)
				for j := range each {
					text := fmt.Sprintf(`{"type":"subscribe","collection":"m","event":"create","uid":"%d","query":{"filter":%s}}`, j, filter(i*each+j))
					sent += int64(len(text))
					s.say(text)
					s.hears(fmt.Sprintf(`{"type":"subscription","event":"init","uid":"%d"}`, j))
				}
			}
			runAll(t, g, []scenario{{name: "a change", method: "POST", path: "/items/m", key: keyItems, body: `{"z":-1}`, status: 200}})
			for _, s := range all {
				s.quiet() // it has dealt with the change
			}
			held, charged := heap()-before, g.memory.Held()
			if f, err := os.Create("/tmp/heap." + name); err == nil {
				pprof.WriteHeapProfile(f)
				f.Close()
			}
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

// TestHalfMessages: who has not authenticated makes the gateway hold little.
func TestHalfMessages(t *testing.T) {
	const sockets = 300
	g := newGateway(t, withItems, func(s *setup) { s.directus.AuthTimeout, s.limits.Pending = time.Minute, 8*sockets })
	before := heap()
	for range sockets {
		s, _ := g.dial(t, "", http.Header{"X-Junk": {strings.Repeat("x", 100_000)}})
		w, err := s.ws.Writer(t.Context(), websocket.MessageText)
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
	s, _ := g.dial(t, "", nil)
	s.say(`{"type":"auth","access_token":"` + strings.Repeat("x", 8<<10) + `"}`)
	s.ends(websocket.StatusMessageTooBig)
}
