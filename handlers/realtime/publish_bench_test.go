package realtime_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sluice/gateway/gatewaytest"
)

// BenchmarkPublish publishes one event of 200 bytes with each request, over real connections that stay open. The client
// allocates nothing, so all allocations are the gateway's and net/http's.
func BenchmarkPublish(b *testing.B) {
	for _, publishers := range []int{1, 16} {
		b.Run(fmt.Sprint("publishers=", publishers), func(b *testing.B) {
			g := newGateway(b)
			body := `{"event":"bench-0","collection":"bench","data":"` + strings.Repeat("x", 200) + `"}`
			request := []byte("POST /realtime HTTP/1.1\r\nHost: " + g.Listener.Addr().String() + "\r\nX-Apikey: " + gatewaytest.KeyAll +
				"\r\nContent-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body)
			all := make([]*publishing, publishers)
			for i := range all {
				all[i] = newPublishing(b, g, request)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var group sync.WaitGroup
			for i, p := range all {
				group.Go(func() {
					for range (b.N + i) / publishers {
						p.publish(b)
					}
				})
			}
			group.Wait()
		})
	}
}

// publishing is a connection that publishes the same again and again. All answers are as long as the first.
type publishing struct {
	net.Conn
	request, answer []byte
}

func newPublishing(b *testing.B, g *gateway, request []byte) *publishing {
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	if _, err := c.Write(request); err != nil {
		b.Fatal(err)
	}
	var head strings.Builder
	answer, err := http.ReadResponse(bufio.NewReader(io.TeeReader(c, &head)), nil)
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatal(answer.Status, string(text), err)
	}
	return &publishing{c, request, make([]byte, head.Len())}
}

func (p *publishing) publish(b *testing.B) {
	if _, err := p.Write(p.request); err != nil {
		b.Error(err)
		return
	}
	if _, err := io.ReadFull(p.Conn, p.answer); err != nil {
		b.Error(err)
	}
}
