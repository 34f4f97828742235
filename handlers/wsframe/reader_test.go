package wsframe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"sluice/store/share"
)

// masked is a frame as a client sends it, with a mask.
func masked(op ws.OpCode, fin bool, payload string) string {
	f := ws.NewFrame(op, fin, []byte(payload))
	f = ws.MaskFrameInPlaceWith(f, [4]byte{1, 0x80, 3, 0xff})
	return string(ws.MustCompileFrame(f))
}

// readAll reads a client's bytes in pieces, and returns what they say, in words.
func readAll(r *Reader, input []byte, cut func(left int) int) (said []string) {
	for len(input) > 0 {
		n := cut(len(input))
		b := bytes.Clone(input[:n])
		input = input[n:]
		for len(b) > 0 {
			rest, e, err := r.Read(b)
			var fault *Fault
			switch {
			case errors.As(err, &fault):
				return append(said, fmt.Sprint("fault ", int(fault.Code)))
			case err != nil:
				return append(said, err.Error())
			}
			b = rest
			switch e.Kind {
			case Ping:
				said = append(said, fmt.Sprintf("ping %q", e.Payload))
			case Pong:
				said = append(said, fmt.Sprintf("pong %q", e.Payload))
			case Close:
				return append(said, fmt.Sprint("close ", int(e.Code)))
			case Whole:
				m := e.Message
				said = append(said, fmt.Sprintf("%v %q long=%v refused=%v", m.Kind, m.Text, m.Long, m.Refused != nil))
				m.Release()
			}
		}
	}
	return said
}

func whole(left int) int { return left }

func byByte(int) int { return 1 }

// TestFrames: what RFC 6455 forbids ends the connection with the code that it names, in whatever pieces it comes.
func TestFrames(t *testing.T) {
	t.Parallel()
	text := func(s string) string { return fmt.Sprintf("MessageText %q long=false refused=false", s) }
	for name, c := range map[string]struct{ in, want string }{
		"text":                       {masked(ws.OpText, true, "hello"), text("hello")},
		"binary":                     {masked(ws.OpBinary, true, "\xff"), `MessageBinary "\xff" long=false refused=false`},
		"empty":                      {masked(ws.OpText, true, ""), text("")},
		"of 16 bits":                 {masked(ws.OpText, true, strings.Repeat("x", 900)), text(strings.Repeat("x", 900))},
		"parts":                      {masked(ws.OpText, false, "a") + masked(ws.OpContinuation, false, "") + masked(ws.OpContinuation, true, "b"), text("ab")},
		"a ping between parts":       {masked(ws.OpText, false, "a") + masked(ws.OpPing, true, "p") + masked(ws.OpContinuation, true, "b"), `ping "p",` + text("ab")},
		"a close between parts":      {masked(ws.OpText, false, "a") + masked(ws.OpClose, true, ""), "close 1005"},
		"pong":                       {masked(ws.OpPong, true, ""), `pong ""`},
		"long ping":                  {masked(ws.OpPing, true, strings.Repeat("x", 126)), "fault 1002"},
		"ping in parts":              {masked(ws.OpPing, false, "x"), "fault 1002"},
		"unmasked":                   {"\x81\x01x", "fault 1002"},
		"unmasked ping":              {"\x89\x00", "fault 1002"},
		"unmasked part":              {masked(ws.OpText, false, "a") + "\x80\x01b", "fault 1002"},
		"reserved bit 1":             {"\xc1\x80\x00\x00\x00\x00", "fault 1002"},
		"reserved bit 3":             {"\x91\x80\x00\x00\x00\x00", "fault 1002"},
		"unknown opcode":             {masked(3, true, ""), "fault 1002"},
		"unknown control opcode":     {masked(11, true, ""), "fault 1002"},
		"part of nothing":            {masked(ws.OpContinuation, true, "x"), "fault 1002"},
		"text in the midst of text":  {masked(ws.OpText, false, "a") + masked(ws.OpText, true, "b"), "fault 1002"},
		"length below 0":             {"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "fault 1002"},
		"length of half a word":      {"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "fault 1009"},
		"over the limit":             {masked(ws.OpText, true, strings.Repeat("x", 1001)), "fault 1009"},
		"parts over the limit":       {masked(ws.OpText, false, strings.Repeat("x", 1000)) + masked(ws.OpContinuation, true, "x"), "fault 1009"},
		"close":                      {masked(ws.OpClose, true, "\x03\xe8bye"), "close 1000"},
		"close without a code":       {masked(ws.OpClose, true, ""), "close 1005"},
		"close with half a code":     {masked(ws.OpClose, true, "\x03"), "fault 1002"},
		"close with 1005":            {masked(ws.OpClose, true, "\x03\xed"), "fault 1002"},
		"close with 999":             {masked(ws.OpClose, true, "\x03\xe7"), "fault 1002"},
		"close with 5000":            {masked(ws.OpClose, true, "\x13\x88"), "fault 1002"},
		"close with 1013":            {masked(ws.OpClose, true, "\x03\xf5"), "close 1013"},
		"close with 4999":            {masked(ws.OpClose, true, "\x13\x87"), "close 4999"},
		"close with a text no UTF-8": {masked(ws.OpClose, true, "\x03\xe8\xff"), "fault 1007"},
		"text no UTF-8":              {masked(ws.OpText, true, "a\xc3("), "fault 1007"},
		"text with a surrogate":      {masked(ws.OpText, true, "\xed\xa0\x80"), "fault 1007"},
		"text that ends too early":   {masked(ws.OpText, true, "\xe2\x82"), "fault 1007"},
		"a letter in two parts":      {masked(ws.OpText, false, "\xe2\x82") + masked(ws.OpContinuation, true, "\xac"), text("€")},
		"two parts no UTF-8":         {masked(ws.OpText, false, "\xe2\x82") + masked(ws.OpContinuation, true, "("), "fault 1007"},
		"half a head":                {"\x81", ""},
		"half a payload":             {masked(ws.OpText, true, "hello")[:8], ""},
	} {
		for way, cut := range map[string]func(int) int{"whole": whole, "byte by byte": byByte} {
			if got := strings.Join(readAll(&Reader{Limit: 1000}, []byte(c.in), cut), ","); got != c.want {
				t.Errorf("%s, %s: %s, want %s", name, way, got, c.want)
			}
		}
	}
}

// TestUnmaskedText: who forgets the mask is told the section of the standard.
func TestUnmaskedText(t *testing.T) {
	t.Parallel()
	if _, _, err := (&Reader{}).Read([]byte("\x81\x01x")); err == nil || !strings.Contains(err.Error(), "RFC 6455, 5.1") {
		t.Error(err)
	}
}

// TestLongIsSkipped: a message over the limit is read to its end, and what follows is taken.
func TestLongIsSkipped(t *testing.T) {
	t.Parallel()
	in := masked(ws.OpText, false, strings.Repeat("x", 90)) + masked(ws.OpContinuation, true, strings.Repeat("x", 90)) + masked(ws.OpText, true, "y")
	want := `MessageText "" long=true refused=false,MessageText "y" long=false refused=false`
	if got := strings.Join(readAll(&Reader{Limit: 100, SkipLong: true}, []byte(in), byByte), ","); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	in = masked(ws.OpText, true, strings.Repeat("x", longest*100+1))
	if got := readAll(&Reader{Limit: 100, SkipLong: true}, []byte(in), whole); got[0] != "fault 1009" {
		t.Error(got)
	}
}

// TestMemoryIsBounded: a message is charged for what has arrived, is refused where there is no room, and gives everything back.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	memory := share.NewMemory(100_000, 100_000)
	account := memory.Account("a")
	defer account.Close()
	r := &Reader{Limit: 1 << 30, Account: account}
	// A frame that announces much takes nothing yet.
	head := []byte(masked(ws.OpText, true, strings.Repeat("x", 90_000)))
	if said := readAll(r, bytes.Clone(head[:100]), whole); said != nil || memory.Held() != 0 || r.message == nil || cap(r.message.Text) > firstBuffer {
		t.Errorf("said %v, %d bytes are held", said, memory.Held())
	}
	// What is refused takes nothing while its rest comes.
	pieces := func(left int) int { return min(left, 1000) }
	if said := readAll(r, bytes.Clone(head[100:len(head)-10]), pieces); said != nil || r.message.Refused == nil || memory.Held() != 0 {
		t.Errorf("said %v, %d bytes are held", said, memory.Held())
	}
	if said := readAll(r, bytes.Clone(head[len(head)-10:]), pieces); len(said) != 1 || !strings.Contains(said[0], "refused=true") {
		t.Errorf("%.100s", said)
	}
	if memory.Held() != 0 {
		t.Errorf("%d bytes are held", memory.Held())
	}
	if said := readAll(r, []byte(masked(ws.OpText, true, strings.Repeat("x", 30_000))), byByte); len(said) != 1 || !strings.Contains(said[0], "refused=false") || memory.Held() != 0 {
		t.Errorf("%.100s, %d bytes are held", said, memory.Held())
	}
	if r.Under() || r.control != nil {
		t.Error("something is under way")
	}
}

// reference reads all frames with the library.
func reference(limit int64, input []byte) (said []string) {
	in, state := bytes.NewReader(input), ws.StateServerSide
	var kind websocket.MessageType
	var message []byte
	announced := int64(0)
	for {
		h, err := ws.ReadHeader(in)
		if errors.Is(err, ws.ErrHeaderLengthMSB) {
			return append(said, "fault 1002")
		}
		if err != nil {
			return said
		}
		if ws.CheckHeader(h, state) != nil {
			return append(said, "fault 1002")
		}
		if !h.OpCode.IsControl() {
			if h.Length > limit-announced {
				return append(said, "fault 1009")
			}
			announced += h.Length
		}
		payload := make([]byte, min(h.Length, int64(in.Len())))
		_, _ = io.ReadFull(in, payload)
		if int64(len(payload)) < h.Length {
			return said
		}
		ws.Cipher(payload, h.Mask, 0)
		switch h.OpCode {
		case ws.OpPing:
			said = append(said, fmt.Sprintf("ping %q", payload))
			continue
		case ws.OpPong:
			said = append(said, fmt.Sprintf("pong %q", payload))
			continue
		case ws.OpClose:
			e, err := closeOf(payload)
			if err != nil {
				var fault *Fault
				errors.As(err, &fault)
				return append(said, fmt.Sprint("fault ", int(fault.Code)))
			}
			return append(said, fmt.Sprint("close ", int(e.Code)))
		case ws.OpText, ws.OpBinary:
			kind, message = websocket.MessageType(h.OpCode), nil
		}
		message = append(message, payload...)
		if state = state.Set(ws.StateFragmented); h.Fin {
			state, announced = state.Clear(ws.StateFragmented), 0
			said = append(said, fmt.Sprintf("%v %q long=false refused=false", kind, message))
		}
	}
}

// FuzzReader: whatever comes, in whatever pieces, is read as the library reads it as a whole.
func FuzzReader(f *testing.F) {
	for _, in := range []string{
		masked(ws.OpText, true, "hello"), masked(ws.OpText, false, "a") + masked(ws.OpPing, true, "p") + masked(ws.OpContinuation, true, "b"),
		masked(ws.OpClose, true, "\x03\xe8bye"), "\x81\x01x", masked(ws.OpBinary, true, strings.Repeat("x", 300)), "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		f.Add([]byte(in), uint64(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		const limit = 1000
		random := rand.New(rand.NewPCG(seed, 1))
		want := strings.Join(reference(limit, in), ",")
		got := strings.Join(readAll(&Reader{Limit: limit}, in, func(left int) int { return 1 + random.IntN(left) }), ",")
		if got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	})
}

// TestReaderModel: messages in parts, with control frames between them and cut anywhere, come out as they were.
func TestReaderModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var in strings.Builder
		var want []string
		for range rapid.IntRange(1, 5).Draw(rt, "messages") {
			text := rapid.StringN(0, -1, 400).Draw(rt, "text")
			op := ws.OpText
			for left := text; ; op = ws.OpContinuation {
				part := left[:rapid.IntRange(0, len(left)).Draw(rt, "part")]
				left = left[len(part):]
				last := left == "" && rapid.Bool().Draw(rt, "last")
				in.WriteString(masked(op, last, part))
				if last {
					break
				}
				if rapid.Bool().Draw(rt, "ping") {
					in.WriteString(masked(ws.OpPing, true, part[:min(len(part), 125)]))
					want = append(want, fmt.Sprintf("ping %q", part[:min(len(part), 125)]))
				}
			}
			want = append(want, fmt.Sprintf("MessageText %q long=false refused=false", text))
		}
		got := readAll(&Reader{Limit: 1000}, []byte(in.String()), func(left int) int { return rapid.IntRange(1, left).Draw(rt, "cut") })
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			rt.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}

// TestAppendClose: the text of a close is cut between two characters.
func TestAppendClose(t *testing.T) {
	t.Parallel()
	b := AppendClose(nil, websocket.StatusGoingAway, strings.Repeat("é", 100))
	h, err := ws.ReadHeader(bytes.NewReader(b))
	if err != nil || h.OpCode != ws.OpClose || h.Length != int64(len(b)-2) {
		t.Fatal(h, err)
	}
	if code, reason := ws.ParseCloseFrameData(b[2:]); code != 1001 || reason != strings.Repeat("é", 61) {
		t.Errorf("%d %q", code, reason)
	}
	if b := AppendClose(nil, NoCode, "x"); string(b) != "\x88\x00" {
		t.Errorf("%q", b)
	}
}

// BenchmarkRead: a small message, and a ping.
func BenchmarkRead(b *testing.B) {
	for name, in := range map[string]string{"message": masked(ws.OpText, true, strings.Repeat("x", 100)), "ping": masked(ws.OpPing, true, ""), "large": masked(ws.OpText, true, strings.Repeat("x", 64<<10))} {
		b.Run(name, func(b *testing.B) {
			r := &Reader{Limit: 1 << 20}
			buffer := make([]byte, len(in))
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				copy(buffer, in)
				if _, _, err := r.Read(buffer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
