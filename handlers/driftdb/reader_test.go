package driftdb_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"

	"github.com/coder/websocket"
	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"
)

// Doors of a room.
const (
	doorJSON   = "JSON"
	doorCBOR   = "CBOR"
	doorEvents = "events"
	doorKey    = "events of a key"
)

// roomReader is a client of a room, which comes back with what it knows. It is the model's goroutine that looks at what
// has come.
type roomReader struct {
	m    *roomModel
	door string
	key  string // of doorKey
	name int

	views map[string]*roomView // of the keys that it asked for

	// Of the connection:
	ws       *websocket.Conn
	stop     func()
	joined   uint64 // the last number by the time it had joined
	last     uint64 // number of the last push
	lastID   string // of the stream of events
	received map[roomNumber]bool
	keys     map[string]*keyState
	pongs    int
	sizes    []string // stream_size that came
	grown    []string // and those that should

	mu  sync.Mutex
	box []received // came, and not looked at yet
}

// roomNumber is a number of a key: a compact may be at one that is another key's.
type roomNumber struct {
	key string
	seq uint64
}

// roomView is the state that a client makes of a key's entries: by number, those seen are skipped.
type roomView struct {
	state []string
	last  uint64
}

// keyState is what a connection has received for a key.
type keyState struct {
	gets, inits int
	top         uint64 // the greatest number in an init
	first       uint64 // and in the first of them
	before      bool   // a push came before the first init
	asked       uint64 // the greatest number that a get said to know
}

func (v *roomView) apply(value string, seq uint64) {
	if seq > v.last {
		v.state, v.last = applied(v.state, value), seq
	}
}

// applied is what a value makes of a state: = sets it, ~ is a relay, all others are added.
func applied(state []string, value string) []string {
	switch value[0] {
	case '~':
		return state
	case '=':
		return strings.FieldsFunc(value[1:], func(c rune) bool { return c == ',' })
	}
	return append(append([]string{}, state...), value)
}

func (r *roomReader) of(key string) *keyState {
	if r.keys[key] == nil {
		r.keys[key] = &keyState{}
	}
	return r.keys[key]
}

// connect joins. It asks again for what it has asked for, behind what it has.
func (r *roomReader) connect(rt *rapid.T) {
	r.received, r.keys, r.last, r.pongs, r.sizes, r.grown = map[roomNumber]bool{}, map[string]*keyState{}, 0, 0, nil, nil
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.box = nil
	if r.events() {
		body := r.openEvents(rt, ctx)
		go func() {
			defer close(done)
			r.readEvents(body)
		}()
		r.stop = func() { cancel(); <-done; body.Close() }
		r.joined = math.MaxUint64 // relays can pass while it reads what is retained, so until there is an id
		return
	}
	query := map[string]string{doorJSON: "", doorCBOR: "?cbor=true"}[r.door]
	ws, _, err := websocket.Dial(ctx, strings.Replace(r.m.g.URL, "http", "ws", 1)+"/room/"+r.m.room+"/connect"+query, &websocket.DialOptions{HTTPClient: r.m.g.Client()})
	if err != nil {
		rt.Fatal(err)
	}
	ws.SetReadLimit(1 << 24)
	r.ws, r.joined = ws, r.m.seq
	go func() {
		defer close(done)
		r.readSocket(ctx)
	}()
	r.stop = func() { cancel(); ws.CloseNow(); <-done }
	for key, v := range r.views {
		r.get(rt, key, fmt.Sprint(v.last))
	}
}

func (r *roomReader) events() bool { return r.door == doorEvents || r.door == doorKey }

func (r *roomReader) openEvents(rt *rapid.T, ctx context.Context) io.ReadCloser {
	query := ""
	if r.door == doorKey {
		query = "?key=" + r.key
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, r.m.g.URL+"/room/"+r.m.room+"/events"+query, nil)
	if err != nil {
		rt.Fatal(err)
	}
	if r.lastID != "" {
		q.Header.Set("Last-Event-ID", r.lastID)
	}
	answer, err := r.m.g.Client().Do(q)
	if err != nil || answer.StatusCode != http.StatusOK {
		rt.Fatal(answer, err)
	}
	return answer.Body
}

func (r *roomReader) readEvents(body io.Reader) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<24)
	id, data := "", ""
	for lines.Scan() {
		switch text := lines.Text(); {
		case strings.HasPrefix(text, "id: "):
			id = text[4:]
		case strings.HasPrefix(text, `data: {"type":"push"`):
			data = text[6:]
		case text == "":
			m := received{Type: "id"}
			if data != "" && json.Unmarshal([]byte(data), &m) != nil {
				m.Type = "bad"
			}
			m.ID = id
			r.put(m)
			id, data = "", ""
		}
	}
}

func (r *roomReader) readSocket(ctx context.Context) {
	for {
		kind, frame, err := r.ws.Read(ctx)
		if err != nil {
			return
		}
		var m received
		decode := json.Unmarshal
		if kind == websocket.MessageBinary {
			decode = cbor.Unmarshal
		}
		if (kind == websocket.MessageBinary) != (r.door == doorCBOR) || decode(frame, &m) != nil {
			m.Type = "bad"
		}
		r.put(m)
	}
}

func (r *roomReader) put(m received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.box = append(r.box, m)
}

func (r *roomReader) take() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	box := r.box
	r.box = nil
	return box
}

// send sends a message, in whatever mode.
func (r *roomReader) send(rt *rapid.T, message map[string]any, binary bool) {
	if err := r.write(message, binary); err != nil {
		rt.Fatalf("reader %d: %v", r.name, err)
	}
}

func (r *roomReader) write(message map[string]any, binary bool) error {
	encode, kind := json.Marshal, websocket.MessageText
	if binary {
		encode, kind = cbor.Marshal, websocket.MessageBinary
	}
	frame, err := encode(message)
	if err != nil {
		return err
	}
	return r.ws.Write(context.Background(), kind, frame)
}

// get asks for a key, behind a number, or without a replay.
func (r *roomReader) get(rt *rapid.T, key, seq string) {
	message := map[string]any{"type": "get", "key": key}
	h := r.of(key)
	switch {
	case seq == "null":
		message["seq"] = nil
	default:
		var n uint64
		fmt.Sscan(seq, &n)
		message["seq"] = n
		h.gets++
		h.asked = max(h.asked, n)
	}
	r.send(rt, message, r.door == doorCBOR)
}

// look looks at what has come, and holds it against what is true of every connection.
func (r *roomReader) look(rt *rapid.T) {
	for _, m := range r.take() {
		switch m.Type {
		case "push":
			r.lookPush(rt, &m)
		case "init":
			r.lookInit(rt, &m)
		case "pong":
			r.pongs++
		case "stream_size":
			r.sizes = append(r.sizes, fmt.Sprint(m.Key, " ", m.Size))
		case "id":
		default:
			rt.Fatalf("reader %d got %+v", r.name, m)
		}
		if m.ID != "" {
			r.lastID, r.joined = m.ID, min(r.joined, r.m.seq)
		}
	}
}

func (r *roomReader) lookPush(rt *rapid.T, m *received) {
	// Of what is read from the store, compacts may have the number of another key's push, and in the stream of events of
	// one that lags a number that was passed.
	stored := r.events() || r.m.lags()
	if m.Seq < r.last && !(r.events() && r.m.lags()) || m.Seq == r.last && !stored {
		rt.Fatalf("reader %d: %d comes after %d", r.name, m.Seq, r.last)
	}
	r.last = max(r.last, m.Seq)
	r.m.checkEntry(rt, r, m.Key, m.Value, m.Seq, stored)
	r.received[roomNumber{m.Key, m.Seq}] = true
	if m.Value[0] == '~' {
		return
	}
	h := r.of(m.Key)
	if m.Seq <= h.top {
		rt.Fatalf("reader %d: %d of %s comes behind an init that has %d", r.name, m.Seq, m.Key, h.top)
	}
	h.before = h.before || h.inits == 0
	if r.events() && r.views[m.Key] == nil {
		r.views[m.Key] = &roomView{}
	}
	// What comes before the answer that it waits for is in there.
	if v := r.views[m.Key]; v != nil && (r.events() || h.inits > 0) {
		v.apply(m.Value, m.Seq)
	}
}

func (r *roomReader) lookInit(rt *rapid.T, m *received) {
	h := r.of(m.Key)
	if r.views[m.Key] == nil {
		r.views[m.Key] = &roomView{}
	}
	last := uint64(0)
	for _, e := range m.Data {
		if e.Value[0] == '~' || e.Seq <= last {
			rt.Fatalf("reader %d: an init of %s has %v", r.name, m.Key, m.Data)
		}
		r.m.checkEntry(rt, r, m.Key, e.Value, e.Seq, true)
		r.received[roomNumber{m.Key, e.Seq}], last = true, e.Seq
		r.views[m.Key].apply(e.Value, e.Seq)
	}
	if last < h.top && h.asked == 0 {
		rt.Fatalf("reader %d: an init of %s ends with %d after one with %d", r.name, m.Key, last, h.top)
	}
	if h.top = max(h.top, last); h.inits == 0 {
		h.first = last
	}
	h.inits++
}

// complete names what a connection has not received yet, or returns "": all answers, every relay since it joined, and every other
// push, unless it was held and is a part of the first init.
func (r *roomReader) complete() string {
	if !r.events() {
		for key, h := range r.keys {
			if h.inits < h.gets {
				return fmt.Sprintf("%d of %d inits of %s", h.inits, h.gets, key)
			}
		}
		if fmt.Sprint(r.sizes) != fmt.Sprint(r.grown) {
			return fmt.Sprintf("the sizes %v, but %v", r.grown, r.sizes)
		}
	}
	for key, v := range r.views {
		if want := r.m.state(key, r.m.seq); strings.Join(v.state, ",") != strings.Join(want, ",") {
			return fmt.Sprintf("%s as %v, but as %v", key, want, v.state)
		}
	}
	for _, s := range r.m.said {
		if s.seq <= r.joined || r.received[roomNumber{s.key, s.seq}] || r.door == doorKey && s.key != r.key {
			continue
		}
		h := r.of(s.key)
		held := h.inits > 0 && !h.before && s.seq < h.first && s.value[0] != '~'
		if !held && !r.m.lags() {
			return fmt.Sprintf("%+v", s)
		}
	}
	return ""
}
