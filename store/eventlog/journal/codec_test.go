package journal

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// full is a message with one of each.
func full() *message {
	return &message{Origin: 1 << 63, Number: 300, Sent: 1_795_176_000_000_000, Claim: eventlog.Claim{Place: 7, Chain: 1<<64 - 1}, Requests: []*eventlog.Request{
		{
			Events: []eventlog.Event{
				{Name: "put", Collection: "orders", Data: []byte(`{"a":1.0,"b":"\u00e9é"}`)},
				{Space: "$room/a", Name: "push", Key: "k\x00\xff", Op: eventlog.Compact, Seq: 9, Data: []byte{}, Meta: []byte("m")},
			},
			Expect: []eventlog.Expectation{{Index: 1, Last: 1 << 40}},
			Once:   &eventlog.Once{Key: [16]byte{1}, Owner: [8]byte{2}, Body: [32]byte{3}, MostInAll: 500_000, MostPerOwner: 100_000},
			Rows:   []eventlog.Row{{Key: "gone"}, {Key: "empty", Value: []byte{}}, {Key: "there", Value: []byte("v")}},
			If:     []eventlog.Condition{eventlog.RowIs("r", []byte("v")), eventlog.RowIs("s", nil)},
			Bound:  &eventlog.Bound{Bytes: 1 << 20, Keys: -1},
			Make:   "$room/b",
		},
		{}, // of a tick
	}}
}

// edits is a message with an edit.
func edits() *message {
	return &message{Origin: 1, Number: 1, Sent: -1, Requests: []*eventlog.Request{{Edit: &eventlog.Edit{
		Remove:   []eventlog.Event{{Space: "$db/a", ID: 1 << 50}},
		Replace:  []eventlog.Replacement{{Old: eventlog.Event{Space: "$db/a", ID: 2}, New: eventlog.Event{Space: "$db/a", ID: 2, Name: "n", Stream: "s", Data: []byte("1")}}},
		Freed:    -1 << 40,
		Drop:     []string{"", "$db/é"},
		Rename:   [2]string{"$db/a", "$db/b"},
		DropRows: []string{"p/"},
		Trim:     []eventlog.Trim{{Space: "", ID: 1<<64 - 1}},
	}}}}
}

// run is a message with a run.
func run() *message {
	return &message{Origin: 1, Number: 1, Requests: []*eventlog.Request{{Run: true}}}
}

func encoded(t rapid.TB, m *message) []byte {
	b, err := encode(m, Oldest)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// same checks that a message survives, and that its bytes are deterministic CBOR by the judgement of a library.
func same(t rapid.TB, m *message) {
	b := encoded(t, m)
	got, err := decode(bytes.Clone(b))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, m) {
		t.Fatalf("decoded %+v, want %+v", got, m)
	}
	var v any
	if err := cbor.Unmarshal(b[1:], &v); err != nil {
		t.Fatalf("it is not CBOR: %v", err)
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := mode.Marshal(v); err != nil || !bytes.Equal(again, b[1:]) {
		t.Fatalf("deterministic CBOR is %x (%v), we have %x", again, err, b[1:])
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*message{"one of each": full(), "an edit": edits(), "a run": run()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same(t, m)
		})
	}
}

// TestRandomRoundTrip: what is encoded comes back.
func TestRandomRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { same(t, randomMessage(t)) })
}

// TestDecodeCopies: a message keeps nothing of the bytes that it came from.
func TestDecodeCopies(t *testing.T) {
	t.Parallel()
	for _, m := range []*message{full(), edits(), changed(9)} {
		b := encoded(t, m)
		got, err := decode(b)
		if err != nil {
			t.Fatal(err)
		}
		clear(b)
		if !reflect.DeepEqual(got, m) {
			t.Errorf("decoded %+v, want %+v", got, m)
		}
	}
}

// changed is a message with changes of two documents, whose texts are in the events and the rows, as package documents makes it.
func changed(size int) *message {
	text := func(c byte) []byte { return bytes.Repeat([]byte{c}, size) }
	a, b := text('a'), text('b')
	all := append(append([]byte{'['}, a...), b...)
	return &message{Origin: 1, Number: 1, Requests: []*eventlog.Request{
		{Events: []eventlog.Event{{Data: a}, {Data: b}}, Rows: []eventlog.Row{{Key: "a", Value: a}, {Key: "b", Value: b}, {Key: "part", Value: b[1:2]}}},
		{Events: []eventlog.Event{{Data: []byte("1")}, {Data: []byte("2"), Meta: all}}, Rows: []eventlog.Row{
			{Key: "a", Value: all[1 : 1+size]}, {Key: "b", Value: all[1+size:]}, {Key: "empty", Value: all[1:1]}, {Key: "gone"},
		}},
	}}
}

// TestSharedBytesAreSentOnce: a text that is in an event and in a row is in the message once, and in memory once afterwards.
func TestSharedBytesAreSentOnce(t *testing.T) {
	t.Parallel()
	const size = 10_000
	m := changed(size)
	same(t, m)
	b := encoded(t, m)
	if len(b) > 4*size+200 {
		t.Errorf("the message has %d bytes", len(b))
	}
	got, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if was, is := m.Requests[0].Size()+m.Requests[1].Size(), got.Requests[0].Size()+got.Requests[1].Size(); is != was {
		t.Errorf("the requests have %d bytes afterwards, %d before", is, was)
	}
}

// TestEncodeOnlyReads is for the race detector: a request that is encoded may have other readers.
func TestEncodeOnlyReads(t *testing.T) {
	t.Parallel()
	for _, m := range []*message{full(), edits(), changed(9)} {
		var twice sync.WaitGroup
		for range 2 {
			twice.Go(func() {
				if _, err := encode(m, Oldest); err != nil {
					t.Error(err)
				}
			})
		}
		twice.Wait()
	}
}

// posts is a message of some requests with one event of 185 bytes each.
func posts(n int) *message {
	m := &message{Origin: 1<<63 + 1, Number: 100_000, Sent: 1_795_176_000_000_000, Claim: eventlog.Claim{Place: 1_000_000, Chain: 1<<63 + 1}}
	for range n {
		data := append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, 183)...), '"')
		m.Requests = append(m.Requests, &eventlog.Request{Events: []eventlog.Event{{Name: "post", Collection: "orders", Data: data}}})
	}
	return m
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := posts(n)
			b.ReportAllocs()
			b.ReportMetric(float64(len(encoded(b, m))), "bytes")
			for b.Loop() {
				if _, err := encode(m, Oldest); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(encoded(b, m))), "bytes")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := encoded(b, posts(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
