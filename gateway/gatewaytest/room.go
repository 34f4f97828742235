package gatewaytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// NewRoom makes a room and returns its id.
func (g *Gateway) NewRoom(t testing.TB) string {
	t.Helper()
	answer, err := g.Client().Post(g.URL+"/new", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var room struct{ Room string }
	if err := json.NewDecoder(answer.Body).Decode(&room); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	return room.Room
}

// Push sends a message and returns the answer.
func (g *Gateway) Push(t testing.TB, room, message string) string {
	t.Helper()
	answer, err := g.Client().Post(g.URL+"/room/"+room+"/send", "application/json", strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(answer.StatusCode, " ", strings.TrimSuffix(string(text), "\n"))
}

// Join opens a WebSocket and collects the messages that arrive.
func (g *Gateway) Join(t *testing.T, room, query string) (ws *websocket.Conn, got func() []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ws, _, err := websocket.Dial(ctx, strings.Replace(g.URL, "http", "ws", 1)+"/room/"+room+"/connect"+query, &websocket.DialOptions{HTTPClient: g.Client()})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(1 << 24)
	var mu sync.Mutex
	var all []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, text, err := ws.Read(ctx)
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, string(text))
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		cancel()
		ws.CloseNow()
		<-done
	})
	return ws, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, all...)
	}
}

// SendText sends a message.
func SendText(t *testing.T, ws *websocket.Conn, text string) {
	t.Helper()
	if err := ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// AwaitMessages waits for a number of messages.
func AwaitMessages(t *testing.T, got func() []string, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if all := got(); len(all) >= n {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d came: %q", len(got()), n, got())
		}
	}
}
