package handlers_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// BenchmarkConnectDecided opens a stream as BenchmarkConnect does, by a key and by a remembered answer of an application.
func BenchmarkConnectDecided(b *testing.B) {
	app := newApplication(b)
	app.set("ann", fmt.Sprintf(grantAll, "1h"))
	g := newGateway(b, app.decides, func(s *setup) { s.Shards = 1 })
	for _, one := range []struct{ name, header string }{{"key", "X-Apikey: key-all-0123456789"}, {"answer", "Cookie: session=ann"}} {
		b.Run(one.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				c, err := net.Dial("tcp", g.Listener.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := fmt.Fprint(c, "GET /realtime HTTP/1.1\r\nHost: live.example\r\n"+one.header+"\r\n\r\n"); err != nil {
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
	if n := app.questions(); n != 1 {
		b.Errorf("%d questions", n)
	}
}

// BenchmarkComeBack lets clients with a tenth as many sessions ask for a stream at the same time, as after a restart of the
// gateway. The application takes 5 ms for an answer.
func BenchmarkComeBack(b *testing.B) {
	const clients, sessions, connections = 10_000, 1_000, 500
	for range b.N {
		app := newApplication(b)
		app.takes = 5 * time.Millisecond
		for n := range sessions {
			app.set(fmt.Sprint("s", n), fmt.Sprintf(grantAll, "1h"))
		}
		g := newGateway(b, app.decides, func(s *setup) { s.Shards = 1 })
		next := make(chan int, clients)
		for n := range clients {
			next <- n
		}
		close(next)
		done := make(chan error)
		started := time.Now()
		for range connections {
			go func() {
				for n := range next {
					if err := comeBack(g.Listener.Addr().String(), fmt.Sprint("s", n%sessions)); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range connections {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
		took := time.Since(started)
		b.ReportMetric(clients/took.Seconds(), "connects/s")
		b.ReportMetric(float64(app.questions()), "questions")
		b.ReportMetric(float64(app.mostAtOnce()), "at-once")
		g.noStream(b)
	}
}

// comeBack opens a stream with a session, and leaves.
func comeBack(addr, session string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprint(c, "GET /realtime HTTP/1.1\r\nHost: live.example\r\nCookie: session="+session+"\r\n\r\n"); err != nil {
		return err
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		return fmt.Errorf("%s %w", line, err)
	}
	return nil
}
