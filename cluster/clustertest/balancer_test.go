//go:build unix

package clustertest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// backends are servers in place of gateways. Each answers with its number: to /, on a stream that goes on, on a WebSocket.
func backends(t *testing.T, n int) (nodes []*Node, servers []*httptest.Server) {
	t.Helper()
	for i := range n {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				ws, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer ws.CloseNow()
				_ = ws.Write(r.Context(), websocket.MessageText, fmt.Append(nil, i))
				_, _, _ = ws.Read(r.Context()) // until the client goes
				return
			}
			fmt.Fprintf(w, "%d for %s by %s\n", i, r.Header.Get("X-Forwarded-For"), r.Host)
			if r.URL.Path == "/stream" {
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
		}))
		t.Cleanup(s.Close)
		nodes, servers = append(nodes, &Node{address: strings.TrimPrefix(s.URL, "http://")}), append(servers, s)
	}
	return nodes, servers
}

// bounded is a context that ends before the test does.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// open sends a request, and returns the answer and its first line.
func open(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(bounded(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	line, err := bufio.NewReader(answer.Body).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return answer, line
}

// Each request goes to the next gateway, and past one that is gone.
func TestBalancer(t *testing.T) {
	t.Parallel()
	nodes, servers := backends(t, 3)
	url := startBalancer(t, nodes)
	host := strings.TrimPrefix(url, "http://")
	for round, gone := range []int{-1, 0, 1} { // of this round on
		if gone >= 0 {
			servers[gone].Close()
		}
		seen := map[string]int{}
		for range 12 {
			_, line := open(t, url)
			number, rest, _ := strings.Cut(line, " ")
			if rest != "for 127.0.0.1 by "+host+"\n" {
				t.Fatalf("the gateway sees %q", rest)
			}
			seen[number]++
		}
		if len(seen) != 3-round || round == 0 && seen["1"] != 4 || seen[fmt.Sprint(gone)] != 0 {
			t.Errorf("without %d: requests by gateway: %v", gone, seen)
		}
	}
	servers[2].Close()
	if answer, _ := open(t, url); answer.StatusCode != http.StatusBadGateway {
		t.Errorf("all are gone: %d", answer.StatusCode)
	}
}

// What a stream or a WebSocket sends passes at once.
func TestBalancerStreams(t *testing.T) {
	t.Parallel()
	nodes, _ := backends(t, 2)
	url := startBalancer(t, nodes)
	seen := map[string]bool{}
	for range 2 {
		_, line := open(t, url+"/stream") // which has not ended
		seen["stream "+line[:1]] = true
	}
	for range 2 {
		ws, _, err := websocket.Dial(bounded(t), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
		_, text, err := ws.Read(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		seen["socket "+string(text)] = true
	}
	if len(seen) != 4 {
		t.Errorf("seen: %v", seen)
	}
}
