package traffic

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/writers"
	"sluice/handlers/wsframe"
)

// slowTalk is a conversation that handles a message until it may go on, whatever happens to the socket.
type slowTalk struct {
	fragileTalk
	begun chan context.Context
	goOn  chan struct{}
}

func (s *slowTalk) Take(ctx context.Context, _ *wsframe.Message) error {
	s.begun <- ctx
	<-s.goOn
	return nil
}

// TestSocketsWaitForTheirGoroutines: a socket whose client has gone keeps what it has taken while a message of it is handled,
// since that may use it; the context of the message ends at once.
func TestSocketsWaitForTheirGoroutines(t *testing.T) {
	t.Parallel()
	o, _ := opener(t, Limits{})
	w, err := writers.New(writers.Config{Broker: o.Broker, PingInterval: time.Minute, WriteTimeout: time.Minute, Shards: 1, Observer: o.Traffic})
	if err != nil {
		t.Fatal(err)
	}
	talk := &slowTalk{begun: make(chan context.Context, 1), goOn: make(chan struct{})}
	released := make(chan struct{})
	e, options := echo.New(), &writers.SocketOptions{ReadTimeout: time.Minute}
	e.GET("/", func(c echo.Context) error {
		lease := o.Lease(c, &auth.Identity{Scope: "a"})
		defer lease.Close()
		lease.Hold(ReleaseFunc(func() { close(released) }))
		if err := lease.Enter(); err != nil {
			return err
		}
		place := w.Place(c.Request(), false)
		if err := lease.Subscribe(broker.Filter{}, place.Group); err != nil {
			return err
		}
		lease.ServeSocket(c, place, talk, options, lease.Account(0))
		return nil
	})
	server := httptest.NewServer(e)
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
		t.Fatal(err)
	}
	ctx := <-talk.begun
	go w.Close() // cuts the socket, and waits for the message
	<-ctx.Done()
	select {
	case <-released:
		t.Error("it is released while its message is handled")
	default:
	}
	close(talk.goOn)
	<-released
	w.Close()
	await(t, func() bool { return o.Traffic.Streams() == 0 })
	_ = ws.CloseNow()
	server.Close()
}
