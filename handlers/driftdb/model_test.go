package driftdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// roomModel is a room as a list of all that was said in it, beside the real one.
type roomModel struct {
	t       *testing.T
	fs      vfs.FS
	ring    int // of bytes; 0: all is at hand
	g       *gateway
	room    string
	seq     uint64
	said    []roomSaid             // by number, from 1
	stored  map[string][]roomEntry // what each key retains
	readers []*roomReader
	names   int
}

// roomSaid is a push.
type roomSaid struct {
	key, value string
	seq        uint64
}

type roomEntry struct {
	value string
	seq   uint64
}

// roomKeys are those of the model. A fence is there for the others to be waited for.
var roomKeys = []string{"a", "b", ""}

const fence = "fence"

// lags reports whether readers may have to read what they have missed from the store.
func (m *roomModel) lags() bool { return m.ring > 0 }

// start opens the store and what is above it.
func (m *roomModel) start() {
	m.t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: "data", FS: m.fs})
	if err != nil {
		m.t.Fatal(err)
	}
	m.g = newGateway(m.t, func(s *setup) {
		s.Engine, s.RingBytes, s.RoomRate, s.RoomConnectionRate = engine, m.ring, 1<<20, 1<<20
		s.PingInterval = 50 * time.Millisecond // whose ids move a stream of events
	})
}

// state is what a reader makes of all that was said of a key up to a number.
func (m *roomModel) state(key string, upto uint64) (state []string) {
	for _, s := range m.said[:upto] {
		if s.key == key {
			state = applied(state, s.value)
		}
	}
	return state
}

// checkEntry holds an entry against what was said. One that was compacted is the state by then.
func (m *roomModel) checkEntry(rt *rapid.T, r *roomReader, key, value string, seq uint64, compacted bool) {
	switch {
	case seq == 0 || seq > m.seq:
		rt.Fatalf("reader %d: nothing was said as %d: %q", r.name, seq, value)
	case m.said[seq-1].key == key && m.said[seq-1].value == value:
	case compacted && value == "="+strings.Join(m.state(key, seq), ","):
	default:
		rt.Fatalf("reader %d: %d is %s %q, what was said is %+v", r.name, seq, key, value, m.said[seq-1])
	}
}

// push draws a message, says it in the model, and gives it with what its key holds then.
func (m *roomModel) push(rt *rapid.T) (message map[string]any, key string, size int) {
	key = rapid.SampledFrom(roomKeys).Draw(rt, "key")
	kind := rapid.SampledFrom([]string{"append", "append", "append", "replace", "relay", "compact", "compact"}).Draw(rt, "action")
	if kind == "compact" && m.seq == 0 {
		kind = "append"
	}
	action := map[string]any{"type": kind}
	value := map[string]string{"append": "", "replace": "=", "relay": "~"}[kind] + fmt.Sprint("v", m.seq+1)
	if kind == "compact" {
		at := rapid.OneOf(rapid.Uint64Range(1, m.seq), rapid.Uint64Range(max(4, m.seq)-3, m.seq)).Draw(rt, "at")
		action["seq"], value = at, "="+strings.Join(m.state(key, at), ",")
		m.compact(key, value, at)
	} else {
		m.say(key, value)
	}
	return map[string]any{"type": "push", "key": key, "value": value, "action": action}, key, len(m.stored[key])
}

// say applies a push that is not a compact to the model.
func (m *roomModel) say(key, value string) {
	m.seq++
	m.said = append(m.said, roomSaid{key, value, m.seq})
	switch value[0] {
	case '~':
		return
	case '=':
		m.stored[key] = nil
	}
	m.stored[key] = append(m.stored[key], roomEntry{value, m.seq})
}

func (m *roomModel) compact(key, value string, at uint64) {
	left := slices.DeleteFunc(m.stored[key], func(e roomEntry) bool { return e.seq <= at })
	m.stored[key] = append([]roomEntry{{value, at}}, left...)
}

// sockets are the readers that can talk.
func (m *roomModel) sockets() (all []*roomReader) {
	for _, r := range m.readers {
		if !r.events() {
			all = append(all, r)
		}
	}
	return all
}

// one draws a reader.
func one(rt *rapid.T, readers []*roomReader) *roomReader {
	return readers[rapid.IntRange(0, len(readers)-1).Draw(rt, "reader")]
}

// talk says many things without waiting, while others ask for keys, and waits until all was taken.
func (m *roomModel) talk(rt *rapid.T) {
	sockets := m.sockets()
	n := rapid.IntRange(1, 25).Draw(rt, "messages")
	if len(sockets) == 0 || rapid.IntRange(0, 4).Draw(rt, "over HTTP") == 0 {
		for range min(n, 5) {
			message, key, size := m.push(rt)
			text, _ := json.Marshal(message)
			want := "200 null"
			if size > 1 {
				want = fmt.Sprintf(`200 {"type":"stream_size","key":%q,"size":%d}`, key, size)
			}
			if got := m.g.Push(m.t, m.room, string(text)); got != want {
				rt.Fatalf("%s: %s, want %s", text, got, want)
			}
		}
		return
	}
	speaker := one(rt, sockets)
	binary := rapid.Bool().Draw(rt, "binary")
	for range n {
		message, key, size := m.push(rt)
		if size > 1 {
			speaker.grown = append(speaker.grown, fmt.Sprint(key, " ", size))
		}
		speaker.send(rt, message, binary)
		if rapid.IntRange(0, 3).Draw(rt, "amid") == 0 {
			m.ask(rt)
		}
	}
	speaker.send(rt, map[string]any{"type": "ping"}, binary)
	pongs := speaker.pongs + 1
	m.wait(rt, "a pong", func() string { return map[bool]string{false: "it"}[speaker.pongs >= pongs] })
}

// crowd says many things beside the doors, in groups, as fast as it goes, while readers ask for keys.
func (m *roomModel) crowd(rt *rapid.T) {
	sockets := m.sockets()
	if len(sockets) == 0 {
		return // nobody
	}
	type question struct {
		r   *roomReader
		key string
	}
	questions := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) question {
		return question{one(rt, sockets), rapid.SampledFrom(roomKeys).Draw(rt, "key")}
	}), 1, 60).Draw(rt, "questions")
	for _, q := range questions {
		q.r.of(q.key).gets++
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() {
		for _, q := range questions {
			if err := q.r.write(map[string]any{"type": "get", "key": q.key}, false); err != nil {
				m.t.Error(err)
			}
		}
	})
	for range rapid.IntRange(1, 25).Draw(rt, "groups") {
		r := &eventlog.Request{}
		for range rapid.IntRange(1, 6).Draw(rt, "messages") {
			message, key, _ := m.push(rt)
			data, _ := json.Marshal(message["value"])
			e := eventlog.Event{Space: "$room/" + m.room, Name: "push", Key: key, Data: data}
			action := message["action"].(map[string]any)
			if e.Op = roomOps[action["type"].(string)]; e.Op == eventlog.Compact {
				e.Seq = action["seq"].(uint64)
			}
			r.Events = append(r.Events, e)
		}
		if _, err := m.g.Broker.Log().Append(context.Background(), r); err != nil {
			rt.Fatal(err)
		}
	}
}

var roomOps = map[string]eventlog.Op{"append": eventlog.Append, "replace": eventlog.Replace, "relay": eventlog.Relay, "compact": eventlog.Compact}

// ask has a reader ask for a key, also again, or behind what it knows, or for nothing but what comes.
func (m *roomModel) ask(rt *rapid.T) {
	sockets := m.sockets()
	if len(sockets) == 0 {
		return
	}
	r := one(rt, sockets)
	key := rapid.SampledFrom(roomKeys).Draw(rt, "key")
	seq := rapid.SampledFrom([]string{"0", "0", "0", "known", "null"}).Draw(rt, "seq")
	if seq == "known" {
		if seq = "0"; r.views[key] != nil {
			seq = fmt.Sprint(r.views[key].last)
		}
	}
	r.get(rt, key, seq)
}

func (m *roomModel) join(rt *rapid.T) {
	if len(m.readers) == 5 {
		return // enough
	}
	m.names++
	r := &roomReader{m: m, name: m.names, views: map[string]*roomView{}, door: rapid.SampledFrom([]string{doorJSON, doorCBOR, doorEvents, doorKey}).Draw(rt, "door")}
	r.key = rapid.SampledFrom(roomKeys).Draw(rt, "its key")
	r.connect(rt)
	m.readers = append(m.readers, r)
}

// wait looks at what has come until nothing is missing.
func (m *roomModel) wait(rt *rapid.T, what string, missing func() string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		for _, r := range m.readers {
			r.look(rt)
		}
		lacks := missing()
		if lacks == "" {
			return
		}
		if time.Now().After(deadline) {
			rt.Fatalf("%s: %s is missing", what, lacks)
		}
	}
}

// settle waits until everybody has all there is, and compares.
func (m *roomModel) settle(rt *rapid.T) {
	for _, key := range append([]string{fence}, roomKeys...) {
		m.say(key, fmt.Sprint("~v", m.seq+1))
		if got := m.g.Push(m.t, m.room, pushOf(key, fmt.Sprint("~v", m.seq), "relay")); !strings.HasPrefix(got, "200 ") {
			rt.Fatal(got)
		}
	}
	for _, r := range m.readers {
		m.wait(rt, fmt.Sprintf("reader %d (%s)", r.name, r.door), r.complete)
	}
	for _, key := range append([]string{fence}, roomKeys...) {
		var want strings.Builder
		for i, e := range m.stored[key] {
			fmt.Fprintf(&want, `%s{"value":%q,"seq":%d}`, map[bool]string{true: ","}[i > 0], e.value, e.seq)
		}
		if got := m.g.Push(m.t, m.room, fmt.Sprintf(`{"type":"get","key":%q}`, key)); got != fmt.Sprintf(`200 {"type":"init","key":%q,"data":[%s]}`, key, &want) {
			rt.Fatalf("retained is %s, want %s", got, &want)
		}
	}
}

// comeBack has a reader lose its connection.
func (m *roomModel) comeBack(rt *rapid.T) {
	if len(m.readers) == 0 {
		return // nobody
	}
	r := one(rt, m.readers)
	r.stop()
	r.look(rt)
	r.connect(rt)
}

// reopen ends everything but the store.
func (m *roomModel) reopen(rt *rapid.T) {
	for _, r := range m.readers {
		r.stop()
		r.look(rt)
	}
	m.g.Stop(m.t)
	m.start()
	for _, r := range m.readers {
		r.connect(rt)
	}
}

func (m *roomModel) leave() {
	for _, r := range m.readers {
		r.stop()
	}
	m.g.Stop(m.t)
}

// TestRoomDoors: writers push through every door, while readers join, ask, ask again and lose their connections, and the
// store is opened again. Each reader ends with the state that a list has, and gets every push once, in order. Numbers never
// go back, and no relay is retained.
func TestRoomDoors(t *testing.T) {
	t.Parallel()
	runs, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > roomRuns && !failed {
			return
		}
		m := &roomModel{t: t, fs: vfs.NewMem(), stored: map[string][]roomEntry{}}
		m.ring = rapid.SampledFrom([]int{0, 2000}).Draw(rt, "ring")
		m.start()
		done := false
		defer func() {
			failed = failed || !done
			m.leave()
		}()
		m.room = m.g.NewRoom(t)
		rt.Repeat(map[string]func(*rapid.T){
			"join": m.join, "talk": m.talk, "crowd": m.crowd, "ask": m.ask, "come back": m.comeBack, "reopen": m.reopen,
		})
		m.settle(rt)
		done = true
	})
}

// roomRuns are enough for each thing that can go wrong, and take some seconds.
const roomRuns = 25
