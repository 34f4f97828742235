package driftdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/handlers/driftdb"
	"sluice/store/eventlog/memory"
)

// open are the defaults of the gateway, but for the number of rooms.
func open(rooms int) func(*driftdb.Options) {
	return func(o *driftdb.Options) {
		o.Retention, o.Unused = 24*time.Hour, 10*time.Minute
		o.Limits.Rooms, o.Limits.CreateRate, o.Limits.CreateRateAll, o.Limits.CreateRateKey = rooms, 60, 600, 6000
	}
}

// makeFrom makes a room from an address, and gives its path, or "" and the answer.
func makeFrom(t *testing.T, e *echo.Echo, address string) (path, answer string) {
	t.Helper()
	var made struct{ Room string }
	status, text := askFrom(t, e, address, http.MethodPost, "/new", "")
	if status != http.StatusOK {
		return "", fmt.Sprint(status, " ", text)
	}
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Fatal(err)
	}
	return "/room/" + made.Room, ""
}

// there reports whether a room is there, without making it.
func there(t *testing.T, e *echo.Echo, room string) bool {
	t.Helper()
	status, _ := ask(t, e, http.MethodGet, room+"/presence", "")
	return status == http.StatusOK
}

// One address that makes rooms as fast as it can, and pushes to each, never keeps others from making one.
func TestOpenRoomsSurviveAnAddress(t *testing.T) {
	t.Parallel()
	for _, uses := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := door(t, memory.Open(memory.Options{}), 24*time.Hour, open(2000))
			made, refused := 0, map[string]int{}
			for second := range 3 * 3600 {
				time.Sleep(time.Second)
				room, answer := makeFrom(t, e, "2001:db8::"+fmt.Sprint(second%9999))
				if room == "" {
					refused[answer[:3]]++
				} else if made++; uses {
					if status, text := askFrom(t, e, "2001:db8::1", http.MethodPost, room+"/send", replace); status != http.StatusOK {
						t.Fatal(status, text)
					}
				}
				if second%600 == 0 {
					if room, answer := makeFrom(t, e, "192.0.2.7"); room == "" {
						t.Fatalf("after %d s: %s", second, answer)
					}
				}
			}
			if uses && made != 200 || !uses && made < 1000 || refused["503"] > 0 {
				t.Errorf("uses %v: it made %d rooms; refused %v", uses, made, refused)
			}
		})
	}
}

// joined is in a room until it leaves.
func joined(t *testing.T, e *echo.Echo, room string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.ServeHTTP(deadlines{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, room+"/events", strings.NewReader("")).WithContext(ctx))
	}()
	return func() {
		cancel()
		<-done
	}
}

// Where there are as many rooms as may be, one that nobody uses goes for a new one, once its maker had time to enter it.
func TestUnusedRoomMakesWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := door(t, memory.Open(memory.Options{}), 24*time.Hour, open(3))
		time.Sleep(time.Hour) // after a start, clients have time to come back
		used, inside, unused := newRoom(t, e), newRoom(t, e), newRoom(t, e)
		if status, text := ask(t, e, http.MethodPost, used+"/send", replace); status != http.StatusOK {
			t.Fatal(status, text)
		}
		leave := joined(t, e, inside)
		for range 3 {
			if room, answer := makeFrom(t, e, "192.0.2.7"); room != "" || !strings.HasPrefix(answer, "503") {
				t.Errorf("before its maker had time: %s %s", room, answer)
			}
			time.Sleep(3 * time.Second)
		}
		time.Sleep(2 * time.Second)
		young, answer := makeFrom(t, e, "192.0.2.7")
		if young == "" {
			t.Fatal(answer)
		}
		for room, want := range map[string]bool{used: true, inside: true, unused: false, young: true} {
			if got := there(t, e, room); got != want {
				t.Errorf("a room is there: %v, want %v", got, want)
			}
		}
		time.Sleep(2 * time.Second)
		if room, _ := makeFrom(t, e, "192.0.2.7"); room != "" {
			t.Error("there are more rooms than may be")
		}
		leave()
	})
}

// A room that nothing was ever pushed to is gone minutes after somebody was last in it; any push keeps it.
func TestUnusedRooms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := door(t, memory.Open(memory.Options{}), 24*time.Hour, open(1000))
		time.Sleep(time.Hour) // after a start, clients have time to come back
		unused, inside, left := newRoom(t, e), newRoom(t, e), newRoom(t, e)
		used := map[string]string{}
		for _, action := range []string{`{"type":"replace"}`, `{"type":"append"}`, `{"type":"relay"}`, `{"type":"compact","seq":0}`} {
			used[action] = newRoom(t, e)
			if status, text := ask(t, e, http.MethodPost, used[action]+"/send", `{"type":"push","key":"k","value":1,"action":`+action+`}`); status != http.StatusOK {
				t.Fatal(action, status, text)
			}
		}
		leave, go1 := joined(t, e, inside), joined(t, e, left)
		time.Sleep(9 * time.Minute)
		if !there(t, e, left) {
			t.Error("a room was gone in nine minutes")
		}
		go1()
		time.Sleep(3 * time.Minute)
		for room, want := range map[string]bool{unused: false, inside: true, left: true} {
			if got := there(t, e, room); got != want {
				t.Errorf("after 12 minutes: %v, want %v", got, want)
			}
		}
		time.Sleep(12 * time.Minute)
		if there(t, e, left) {
			t.Error("a room that was left stays")
		}
		leave()
		time.Sleep(23 * time.Hour)
		for action, room := range used {
			if !there(t, e, room) {
				t.Errorf("%s does not count as a push", action)
			}
		}
	})
}

// After a start, rooms that nothing was pushed to have their time: those who were in them come back.
func TestUnusedRoomsAfterRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := memory.Open(memory.Options{})
		e := door(t, keep{engine}, 24*time.Hour, open(1000), func(o *driftdb.Options) { o.Unused = time.Hour }) // it goes on beside the next
		room := newRoom(t, e)
		time.Sleep(9 * time.Minute)
		e = door(t, keep{engine}, 24*time.Hour, open(1000))
		time.Sleep(9 * time.Minute)
		if !there(t, e, room) {
			t.Error("the room is gone")
		}
	})
}

// keep is an engine that another log opens.
type keep struct{ *memory.Engine }

func (keep) Close() error { return nil }

// With as many rooms as may be, the oldest that nothing was pushed to make place; those in use never do.
func TestUnusedRoomsMakePlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := door(t, memory.Open(memory.Options{}), 24*time.Hour, open(100))
		var unused, used []string
		for i := range 100 {
			room, answer := makeFrom(t, e, fmt.Sprintf("192.0.2.%d", i))
			if room == "" {
				t.Fatal(answer)
			}
			if i%2 == 0 {
				unused = append(unused, room)
				continue
			}
			used = append(used, room)
			if status, text := ask(t, e, http.MethodPost, room+"/send", replace); status != http.StatusOK {
				t.Fatal(status, text)
			}
		}
		if room, _ := makeFrom(t, e, "198.51.100.1"); room != "" {
			t.Error("a room of this moment made place")
		}
		time.Sleep(time.Minute)
		for i := range 50 {
			room, answer := makeFrom(t, e, "198.51.100.1")
			if room == "" {
				t.Fatal(i, answer)
			}
			if status, text := ask(t, e, http.MethodPost, room+"/send", replace); status != http.StatusOK {
				t.Fatal(status, text)
			}
			used = append(used, room)
		}
		time.Sleep(time.Minute)
		if room, answer := makeFrom(t, e, "198.51.100.2"); room != "" || !strings.HasPrefix(answer, "503 ") {
			t.Error(room, answer)
		}
		for _, room := range used {
			if !there(t, e, room) {
				t.Error("a room in use made place")
			}
		}
		for _, room := range unused {
			if there(t, e, room) {
				t.Error("an unused room is there still")
			}
		}
	})
}
