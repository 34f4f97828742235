package driftdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
)

// pushed are the values of the pushes of a key in what a WebSocket got, in order.
func pushed(t *testing.T, all []string, key string) (values []int) {
	t.Helper()
	for _, text := range all {
		var m struct {
			Type, Key string
			Value     int
		}
		if strings.Contains(text, `"push"`) && json.Unmarshal([]byte(text), &m) == nil && m.Key == key {
			values = append(values, m.Value)
		}
	}
	return values
}

// numbered is a push of a number.
func numbered(key string, n int, action string) string {
	return fmt.Sprintf(`{"type":"push","key":%q,"value":%d,"action":{"type":%q}}`, key, n, action)
}

// Who sends too fast for the connection, or for the room, is slowed down: each message is taken, in order.
func TestRoomSlowsDown(t *testing.T) {
	t.Parallel()
	const n = 150
	for name, tt := range map[string]struct {
		room, connection int
		message          func(i int) string
		answer           string // that each message has
	}{
		"appends, connection":  {2000, 60, func(i int) string { return numbered("k", i, "append") }, `"push"`},
		"replaces, connection": {2000, 60, func(i int) string { return numbered("k", i, "replace") }, `"push"`},
		"relays, connection":   {2000, 60, func(i int) string { return numbered("k", i, "relay") }, `"push"`},
		"appends, room":        {60, 2000, func(i int) string { return numbered("k", i, "append") }, `"push"`},
		"relays, room":         {60, 2000, func(i int) string { return numbered("k", i, "relay") }, `"push"`},
		"pings":                {1, 60, func(i int) string { return fmt.Sprintf(`{"type":"ping","nonce":%d}`, i) }, `"pong"`},
		"gets":                 {1, 60, func(i int) string { return fmt.Sprintf(`{"type":"get","key":"%d"}`, i) }, `"init"`},
		"nonsense":             {1, 60, func(int) string { return "nonsense" }, "Could not decode message"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, gatewaytest.InBubble, func(s *setup) { s.RoomRate, s.RoomConnectionRate = tt.room, tt.connection })
				ws, got := g.Join(t, g.NewRoom(t), "")
				began := time.Now()
				for i := range n {
					gatewaytest.SendText(t, ws, tt.message(i))
				}
				answers := func() (of []string) {
					for _, text := range got() {
						if strings.Contains(text, tt.answer) {
							of = append(of, text)
						}
						if strings.Contains(text, `"error"`) && !strings.Contains(text, tt.answer) {
							t.Fatal(text)
						}
					}
					return of
				}
				all := gatewaytest.AwaitMessages(t, answers, n)
				if took, least := time.Since(began), time.Second*(n-60-1)/60; took < least {
					t.Errorf("it took %s, %s is the least", took, least)
				}
				if strings.Contains(tt.answer, "push") {
					for i, v := range pushed(t, all, "k") {
						if v != i {
							t.Fatalf("push %d has value %d", i, v)
						}
					}
				}
			})
		})
	}
}

// Many WebSockets that send all they can cost one who appends now and then no append, and hardly any time.
func TestRoomShares(t *testing.T) {
	t.Parallel()
	const rate = 100
	for name, tt := range map[string]struct {
		action string
		others int
	}{"relays": {"relay", 10}, "appends": {"append", 10}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, gatewaytest.InBubble, func(s *setup) { s.RoomRate = rate })
				room := g.NewRoom(t)
				ctx, stop := context.WithCancel(t.Context())
				var crowd sync.WaitGroup
				for range tt.others {
					ws, _ := g.Join(t, room, "")
					crowd.Go(func() {
						for i := 0; ctx.Err() == nil; i++ {
							if ws.Write(ctx, websocket.MessageText, []byte(numbered("noise", i, tt.action))) != nil {
								return
							}
							time.Sleep(time.Second / 280)
						}
					})
				}
				time.Sleep(500 * time.Millisecond) // the room's burst is used up
				ws, got := g.Join(t, room, "")
				joined := time.Now()
				var longest time.Duration
				const appends = 10
				for i := range appends {
					began := time.Now()
					gatewaytest.SendText(t, ws, numbered("calm", i, "append"))
					for len(pushed(t, got(), "calm")) <= i {
						if time.Since(began) > 5*time.Second {
							t.Fatalf("append %d does not come", i)
						}
						time.Sleep(time.Millisecond)
					}
					longest = max(longest, time.Since(began))
				}
				noise, most := len(pushed(t, got(), "noise")), rate*int(time.Since(joined)/time.Millisecond)/1000+rate
				stop()
				crowd.Wait()
				if noise > most {
					t.Errorf("the room took %d of the others, %d are the most", noise, most)
				}
				if all := strings.Join(got(), "\n"); strings.Contains(all, `"error"`) {
					t.Error("refused")
				}
				t.Log("the longest took", longest)
				// What waits in the network before the first one would take many seconds.
				if longest > 2*time.Second {
					t.Errorf("an append took %s", longest)
				}
			})
		})
	}
}

// Relays have a budget apart from what is stored: when one of the two is used up, the other is whole.
func TestRelaysHaveTheirOwnBudget(t *testing.T) {
	t.Parallel()
	for used, other := range map[string]string{"relay": "append", "append": "relay"} {
		const rate = 3
		g := newGateway(t, func(s *setup) { s.RoomRate = rate })
		room := g.NewRoom(t)
		send := func(action string) int {
			t.Helper()
			answer, err := g.Client().Post(g.URL+"/room/"+room+"/send", "application/json", strings.NewReader(numbered("k", 1, action)))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			return answer.StatusCode
		}
		for n := 0; send(used) != http.StatusTooManyRequests; n++ {
			if n > 100*rate {
				t.Fatalf("%s is never refused", used)
			}
		}
		for n := range rate {
			if got := send(other); got != http.StatusOK {
				t.Errorf("%s %d is %d, as the budget of %s is used up", other, n, got, used)
			}
		}
	}
}

// A client that floods for too long is closed with the reason. One that is slowed down for a shorter time stays open, and
// gets answers to its pings.
func TestRoomFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.InBubble, func(s *setup) {
			s.RoomConnectionRate, s.RoomFloodTimeout, s.WriteTimeout = 20, time.Second, 300*time.Millisecond
		})
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(g.URL, "http", "ws", 1)+"/room/"+g.NewRoom(t)+"/connect", &websocket.DialOptions{HTTPClient: g.Client()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.CloseNow() })
		go func() {
			for ws.Write(context.Background(), websocket.MessageText, []byte(`{"type":"ping"}`)) == nil {
			}
		}()
		pongs := 0
		for {
			if _, _, err = ws.Read(t.Context()); err != nil {
				break
			}
			pongs++
		}
		if websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "ROOM_FLOOD_TIMEOUT") || pongs < 30 || pongs > 60 {
			t.Errorf("after %d pongs: %v", pongs, err)
		}
		g.AwaitMetric(t, `sluice_streams_ended_total{reason="flood"} 1`)
	})
}

// A pong that comes behind much that is read slowly is no sign that the client is gone.
func TestRoomSlowedPongs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gatewaytest.InBubble, func(s *setup) { s.RoomConnectionRate, s.WriteTimeout = 10, 300*time.Millisecond })
		ws, got := g.Join(t, g.NewRoom(t), "")
		const n = 55 // they take 4.5 seconds, and it pings after 3
		for i := range n {
			gatewaytest.SendText(t, ws, numbered("k", i, "append"))
		}
		gatewaytest.AwaitMessages(t, func() (all []string) {
			for _, v := range pushed(t, got(), "k") {
				all = append(all, fmt.Sprint(v))
			}
			return all
		}, n)
	})
}
