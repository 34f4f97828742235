package traffic

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/writers"
	"sluice/handlers/wsframe"
)

// fragileTalk is a conversation that answers each message with "yes", and panics at one place.
type fragileTalk struct {
	at     string
	taken  bool
	worked bool
}

func (f *fragileTalk) pass(at string) {
	if f.at == at {
		panic("in " + at)
	}
}

func (f *fragileTalk) Serve(t *writers.Turn, _ time.Time) (say writers.Say, _ error) {
	if !f.taken {
		return say, nil
	}
	f.pass("serve")
	if !f.worked {
		return writers.Say{Next: broker.Behind, Owes: true}, nil
	}
	f.taken, f.worked = false, false
	t.Out = wsframe.Append(t.Out[:0], websocket.MessageText, []byte("yes"))
	return writers.Say{Frames: t.Out}, nil
}

func (f *fragileTalk) Woken(*broker.Subscriber) {}

func (f *fragileTalk) Work(context.Context) error {
	f.pass("work")
	f.worked = true
	return nil
}

func (f *fragileTalk) Take(context.Context, *wsframe.Message) error {
	f.pass("take")
	return nil
}

func (f *fragileTalk) Taken() {
	f.pass("taken")
	f.taken = true
}

func (f *fragileTalk) Tick(time.Time) (bool, error) {
	f.pass("tick")
	return false, nil
}

func (f *fragileTalk) Due() time.Time {
	if f.at == "tick" {
		return time.Now().Add(10 * time.Millisecond)
	}
	return time.Time{}
}

func (f *fragileTalk) Wrote(left int, _ time.Time) {
	if f.worked = false; left == 0 && f.at == "wrote" {
		f.pass("wrote")
	}
}

func (f *fragileTalk) MaxMessage() int64 {
	f.pass("max")
	return 100
}

func (f *fragileTalk) Identity() *auth.Identity { return nil }

func (f *fragileTalk) Closing(reason broker.End, err error) writers.Closing {
	f.pass("closing")
	return writers.Closing{Reason: reason, Cause: err, Code: websocket.StatusGoingAway}
}

// TestSocketsContainPanics: wherever a socket panics, in its writer, its reader or the goroutines that work for it, it ends as
// failed and gives everything back, and the others go on.
func TestSocketsContainPanics(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, -1} {
		for _, exclusive := range []bool{false, true} {
			for _, at := range []string{"serve", "work", "take", "taken", "tick", "wrote", "max", "closing"} {
				socketPanics(t, shards, exclusive, at)
			}
		}
	}
}

func socketPanics(t *testing.T, shards int, exclusive bool, at string) {
	t.Helper()
	o, log := opener(t, Limits{})
	w, err := writers.New(writers.Config{Broker: o.Broker, PingInterval: 20 * time.Millisecond, WriteTimeout: time.Second, Shards: shards, Observer: o.Traffic})
	if err != nil {
		t.Fatal(err)
	}
	options := &writers.SocketOptions{Exclusive: exclusive, Several: exclusive, ReadTimeout: time.Minute}
	e, opened := echo.New(), make(chan *broker.Subscriber, 2)
	var running sync.WaitGroup
	running.Add(2)
	e.GET("/:at", func(c echo.Context) (err error) {
		defer running.Done()
		defer func() { // as the gateway's middleware does
			if cause := recover(); cause != nil {
				o.Logger.Error("a handler panicked", "cause", cause)
			}
		}()
		lease := o.Lease(c, &auth.Identity{Scope: "a"})
		defer lease.Close()
		if err := lease.Enter(); err != nil {
			return err
		}
		place := w.Place(c.Request(), false)
		if err := lease.Subscribe(broker.Filter{}, place.Group); err != nil {
			return err
		}
		opened <- lease.Subscriber
		lease.ServeSocket(c, place, &fragileTalk{at: c.Param("at")}, options, lease.Account(0))
		return nil
	})
	server := httptest.NewServer(e)
	dial := func(path string) *websocket.Conn {
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ws
	}
	calm := dial("/calm")
	<-opened
	broken, answer, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1)+"/"+at, nil)
	if err == nil {
		if sub := <-opened; at == "closing" {
			sub.End(broker.EndDraining)
		}
		_ = broken.Write(t.Context(), websocket.MessageText, []byte("x")) // it may be gone
	} else if at != "wrote" { // by whom the head of the answer is written as well
		t.Fatal(answer, err)
	}
	await(t, func() bool { return o.Traffic.Streams() == 1 && o.Broker.Count() == 1 })
	if err := calm.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
		t.Error(err)
	}
	if _, text, err := calm.Read(t.Context()); err != nil || string(text) != "yes" {
		t.Errorf("%s, %d shards: the other gets %s %v", at, shards, text, err)
	}
	_ = calm.CloseNow()
	if broken != nil {
		_ = broken.CloseNow()
	}
	await(t, func() bool { return o.Traffic.Streams() == 0 })
	server.Close()
	w.Close()
	running.Wait()
	o.nothing(t)
	if !strings.Contains(log.String(), "in "+at) {
		t.Errorf("%s, %d shards: the log: %s", at, shards, log)
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}
