package driftdb_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
	"sluice/handlers/driftdb"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

const noSuchRoom = "this room does not exist, or no longer: POST /new makes one"

// holding is an engine whose commits wait while there is a gate.
type holding struct {
	eventlog.Engine
	gate atomic.Pointer[chan struct{}]
}

func (h *holding) Commit(g *eventlog.Group) error {
	if gate := h.gate.Load(); gate != nil {
		<-*gate
	}
	return h.Engine.Commit(g)
}

// A push that waits behind the drop of its room is refused as one to a room that was never there, and makes no room.
func TestPushBehindDrop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine, log := &holding{Engine: memory.Open(memory.Options{})}, (*eventlog.Log)(nil)
		e := door(t, engine, time.Hour, func(o *driftdb.Options) { log = o.Broker.Log() })
		room := newRoom(t, e)
		space := strings.Replace(room, "/room/", "$room/", 1)
		s, _, err := log.KeyedSpace(space)
		if err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		engine.gate.Store(&gate)
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := log.Drop(gone, s); !errors.Is(err, eventlog.ErrUnknown) {
			t.Fatal("not queued:", err)
		}
		answered := make(chan string, 1)
		go func() {
			status, text := ask(t, e, http.MethodPost, room+"/send", replace)
			answered <- fmt.Sprint(status, " ", strings.TrimSpace(text))
		}()
		synctest.Wait() // the push is queued
		close(gate)
		if got, want := <-answered, `404 {"message":"`+noSuchRoom+`","code":"not_found"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if _, there, err := log.KeyedSpace(space); there || err != nil {
			t.Errorf("the room exists: %t, %v", there, err)
		}
	})
}

// A WebSocket whose room another process has dropped gets an error for its push and is closed. When its client comes back,
// the room is made again.
func TestSocketOfDroppedRoom(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	const room = "my-room"
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dial := func() *websocket.Conn {
		ws, _, err := websocket.Dial(ctx, strings.Replace(g.URL, "http", "ws", 1)+"/room/"+room+"/connect", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.CloseNow() })
		return ws
	}
	ws := dial()
	if err := logtest.DropKeyed(g.Broker.Log(), "$room/"+room); err != nil {
		t.Fatal(err)
	}
	const push = `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`
	gatewaytest.SendText(t, ws, push)
	if _, text, err := ws.Read(ctx); err != nil || string(text) != `{"type":"error","message":"`+noSuchRoom+`"}` {
		t.Errorf("got %s, %v", text, err)
	}
	if _, text, err := ws.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("got %s, %v", text, err)
	}
	ws = dial()
	gatewaytest.SendText(t, ws, push)
	if _, text, err := ws.Read(ctx); err != nil || string(text) != `{"type":"push","key":"k","value":1,"seq":1}` {
		t.Errorf("got %s, %v", text, err)
	}
}
