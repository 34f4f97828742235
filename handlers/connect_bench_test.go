package handlers_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
)

// BenchmarkConnect opens a stream at a door, reads the first line of its answer, leaves, and waits until the gateway has
// noticed. The client's own allocations, the same at all doors of a kind, are counted too.
func BenchmarkConnect(b *testing.B) {
	for name, shards := range map[string]int{"shared": 1, "goroutine": -1} {
		g := newGateway(b, gatewaytest.WithDocuments, func(s *setup) { s.Shards = shards })
		room := g.NewRoom(b)
		if err := g.Databases.Create(context.Background(), "orders", ""); err != nil {
			b.Fatal(err)
		}
		for door, request := range map[string]string{
			"realtime": "GET /realtime HTTP/1.1\r\nHost: x\r\nX-Apikey: " + gatewaytest.KeyDocs + "\r\n\r\n",
			"persistr": "GET /db/orders/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Apikey " + gatewaytest.AdminKey + "\r\n\r\n",
			"rooms":    "GET /room/" + room + "/events HTTP/1.1\r\nHost: x\r\n\r\n",
		} {
			b.Run(door+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					c, err := net.Dial("tcp", g.Listener.Addr().String())
					if err != nil {
						b.Fatal(err)
					}
					if _, err := fmt.Fprint(c, request); err != nil {
						b.Fatal(err)
					}
					if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
						b.Fatal(line, err)
					}
					c.Close()
					g.noStream(b)
				}
			})
		}
		if shards < 0 {
			continue
		}
		for door, path := range map[string]string{"rooms": "/room/" + room + "/connect", "directus": "/websocket?access_token=" + gatewaytest.KeyDocs} {
			b.Run(door+"/socket", func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					ws, _, err := websocket.Dial(context.Background(), strings.Replace(g.URL, "http", "ws", 1)+path, nil)
					if err != nil {
						b.Fatal(err)
					}
					ws.CloseNow()
					g.noStream(b)
				}
			})
		}
	}
}

// noStream waits until no stream is counted.
func (g *gateway) noStream(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); g.Traffic.Streams() != 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams are open", g.Traffic.Streams())
		}
	}
}
