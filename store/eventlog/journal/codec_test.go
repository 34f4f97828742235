package journal

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// leftOut are the fields that a message does not have, and why. All others must survive.
var leftOut = map[string]string{
	"Requests.Events.ID":              "given when the request is applied",
	"Requests.Events.Drops":           "found when the request is applied",
	"Requests.Once.Replayed":          "found when the request is applied",
	"Requests.Sizes":                  "found when the request is applied",
	"Requests.Stored":                 "a function of the process that made the request, which calls it",
	"Requests.FromReserve":            "about the disk of the process that made the request, which has admitted it; applying does not read it",
	"Requests.Edit.Replace.New.Drops": "an event that is replaced is no keyed one",
}

func init() {
	for _, list := range []string{"Requests.Edit.Remove", "Requests.Edit.Replace.Old"} {
		for _, field := range []string{"Name", "Collection", "Stream", "Key", "Op", "Seq", "Data", "Drops", "Meta"} {
			leftOut[list+"."+field] = "the space and the id find the event"
		}
	}
}

// TestEveryFieldSurvives fails when a request gets a field that the codec does not know: encode it, or say in leftOut why not.
func TestEveryFieldSurvives(t *testing.T) {
	t.Parallel()
	var m message
	fill(t, reflect.ValueOf(&m).Elem(), new(uint64))
	w := &wire{}
	w.message(&m) // such a message is refused as a whole, since an edit is not alone in it
	back, got := &wire{b: w.b, reading: true}, message{}
	back.message(&got)
	if back.err != nil || len(back.b) > 0 {
		t.Fatalf("reading: %v, %d bytes are left", back.err, len(back.b))
	}
	seen := map[string]bool{}
	survives(t, "", reflect.ValueOf(m), reflect.ValueOf(got), seen)
	for path := range leftOut {
		if !seen[path] {
			t.Errorf("leftOut has %s, which is no field", path)
		}
	}
}

// fill sets all that a value has to something that is not zero.
func fill(t *testing.T, v reflect.Value, n *uint64) {
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-int64(*n))
	case reflect.Uint64:
		v.SetUint(*n)
	case reflect.Uint8:
		v.SetUint(1 + *n%255)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Func:
		v.Set(reflect.ValueOf(func() {}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	default:
		t.Fatalf("the test cannot fill a %s: teach it", v.Type())
	}
}

// survives compares a field with what became of it.
func survives(t *testing.T, path string, was, is reflect.Value, seen map[string]bool) {
	seen[path] = true
	if reason, out := leftOut[path]; out {
		if !is.IsZero() {
			t.Errorf("%s survives, though leftOut says: %s", path, reason)
		}
		return
	}
	switch was.Kind() {
	case reflect.Struct:
		for i := range was.NumField() {
			survives(t, strings.TrimPrefix(path+"."+was.Type().Field(i).Name, "."), was.Field(i), is.Field(i), seen)
		}
	case reflect.Pointer:
		if is.IsNil() {
			t.Errorf("%s is lost: encode it, or say in leftOut why not", path)
			return
		}
		survives(t, path, was.Elem(), is.Elem(), seen)
	case reflect.Slice, reflect.Array:
		if is.Len() != was.Len() {
			t.Errorf("%s is lost: encode it, or say in leftOut why not", path)
			return
		}
		for i := range was.Len() {
			survives(t, path, was.Index(i), is.Index(i), seen)
		}
	default:
		if !was.Equal(is) {
			t.Errorf("%s is lost: encode it, or say in leftOut why not", path)
		}
	}
}

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
	b, err := encode(m)
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

var (
	texts   = rapid.OneOf(rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{"$room/\x00\xff\xc3\x28", "é\u2028", strings.Repeat("k", 24), strings.Repeat("k", 256)}))
	numbers = rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1<<64 - 1}))
	values  = rapid.OneOf(rapid.Just[[]byte](nil), rapid.Just([]byte{}), rapid.SliceOf(rapid.Byte()), rapid.Just(bytes.Repeat([]byte{7}, 1<<16)))
)

// some draws a list that may be nil or empty.
func some[T any](t *rapid.T, name string, one func(*rapid.T) T) []T {
	if rapid.Bool().Draw(t, "no "+name) {
		return nil
	}
	return rapid.SliceOfN(rapid.Custom(one), 0, 4).Draw(t, name)
}

func text(t *rapid.T) string { return texts.Draw(t, "text") }

func randomEvent(t *rapid.T) eventlog.Event {
	return eventlog.Event{
		Space: text(t), Name: text(t), Collection: text(t), Stream: text(t), Key: text(t),
		Op: eventlog.Op(rapid.IntRange(0, 4).Draw(t, "op")), Seq: numbers.Draw(t, "seq"), Data: values.Draw(t, "data"), Meta: values.Draw(t, "meta"),
	}
}

func randomRequest(t *rapid.T) *eventlog.Request {
	r := &eventlog.Request{
		Events: some(t, "events", randomEvent), Make: text(t),
		Rows: some(t, "rows", func(t *rapid.T) eventlog.Row { return eventlog.Row{Key: text(t), Value: values.Draw(t, "value")} }),
		If:   some(t, "if", func(t *rapid.T) eventlog.Condition { return eventlog.RowIs(text(t), values.Draw(t, "value")) }),
	}
	if n := len(r.Events); n > 0 {
		r.Expect = some(t, "expect", func(t *rapid.T) eventlog.Expectation {
			return eventlog.Expectation{Index: rapid.IntRange(0, n-1).Draw(t, "index"), Last: numbers.Draw(t, "last")}
		})
	}
	if rapid.Bool().Draw(t, "once") {
		r.Once = &eventlog.Once{MostInAll: rapid.Int().Draw(t, "in all"), MostPerOwner: rapid.Int().Draw(t, "per owner")}
		for _, hash := range [][]byte{r.Once.Key[:], r.Once.Owner[:], r.Once.Body[:]} {
			copy(hash, rapid.SliceOfN(rapid.Byte(), len(hash), len(hash)).Draw(t, "hash"))
		}
	}
	if rapid.Bool().Draw(t, "bound") {
		r.Bound = &eventlog.Bound{Bytes: rapid.Int64().Draw(t, "bytes"), Keys: rapid.Int().Draw(t, "keys")}
	}
	return r
}

func randomEdit(t *rapid.T) *eventlog.Edit {
	place := func(t *rapid.T) eventlog.Event { return eventlog.Event{Space: text(t), ID: numbers.Draw(t, "id")} }
	return &eventlog.Edit{
		Remove: some(t, "remove", place),
		Replace: some(t, "replace", func(t *rapid.T) eventlog.Replacement {
			by := randomEvent(t)
			by.ID = numbers.Draw(t, "id")
			return eventlog.Replacement{Old: place(t), New: by}
		}),
		Freed: rapid.Int64().Draw(t, "freed"), Drop: some(t, "drop", text), Rename: [2]string{text(t), text(t)}, DropRows: some(t, "rows", text),
		Trim: some(t, "trim", func(t *rapid.T) eventlog.Trim { return eventlog.Trim{Space: text(t), ID: numbers.Draw(t, "id")} }),
	}
}

func randomMessage(t *rapid.T) *message {
	m := &message{
		Origin: max(1, numbers.Draw(t, "origin")), Number: max(1, numbers.Draw(t, "number")), Sent: rapid.Int64().Draw(t, "sent"),
		Claim: eventlog.Claim{Place: numbers.Draw(t, "place"), Chain: numbers.Draw(t, "chain")},
	}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		m.Requests = []*eventlog.Request{randomRequest(t)}
		m.Requests[0].Edit = randomEdit(t)
	case 1:
		m.Requests = []*eventlog.Request{{Run: true}}
	default:
		m.Requests = rapid.SliceOfN(rapid.Custom(randomRequest), 1, 4).Draw(t, "requests")
	}
	return m
}

// TestDecodeCopies: a message keeps nothing of the bytes that it came from.
func TestDecodeCopies(t *testing.T) {
	t.Parallel()
	for _, m := range []*message{full(), edits()} {
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

// TestEncodeOnlyReads is for the race detector: a request that is encoded may have other readers.
func TestEncodeOnlyReads(t *testing.T) {
	t.Parallel()
	for _, m := range []*message{full(), edits()} {
		var twice sync.WaitGroup
		for range 2 {
			twice.Go(func() {
				if _, err := encode(m); err != nil {
					t.Error(err)
				}
			})
		}
		twice.Wait()
	}
}

// TestEncodeRefuses: a message that would stop all gateways is not encoded, nor decoded.
func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*message)
		want   error
	}{
		"no origin":            {func(m *message) { m.Origin = 0 }, errOrigin},
		"no number":            {func(m *message) { m.Number = 0 }, errOrigin},
		"no requests":          {func(m *message) { m.Requests = nil }, errNothing},
		"an edit among others": {func(m *message) { m.Requests[1].Edit = &eventlog.Edit{} }, errAlone},
		"a run among others":   {func(m *message) { m.Requests[1].Run = true }, errAlone},
		"a run with events":    {func(m *message) { m.Requests = m.Requests[:1]; m.Requests[0].Run = true }, errRun},
		"an unknown op":        {func(m *message) { m.Requests[0].Events[0].Op = eventlog.Compact + 1 }, errOp},
		"an unknown op in an edit": {func(m *message) {
			m.Requests = edits().Requests
			m.Requests[0].Edit.Replace[0].New.Op = eventlog.Compact + 1
		}, errOp},
		"an expectation before the events": {func(m *message) { m.Requests[0].Expect[0].Index = -1 }, errExpect},
		"an expectation after the events":  {func(m *message) { m.Requests[0].Expect[0].Index = 2 }, errExpect},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := full()
			c.change(m)
			if b, err := encode(m); !errors.Is(err, c.want) {
				t.Errorf("encoded to %x, %v; want the error %q", b, err, c.want)
			}
			w := &wire{b: []byte{version}}
			w.message(m)
			if _, err := decode(w.b); !errors.Is(err, errDecode) || !errors.Is(err, c.want) {
				t.Errorf("decoding it: %v; want the error %q", err, c.want)
			}
		})
	}
	if _, err := encode(&message{Origin: 1, Number: 1, Requests: []*eventlog.Request{nil}}); !errors.Is(err, errNothing) {
		t.Errorf("a request that is nil: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	bare := encoded(t, &message{Origin: 1, Number: 1, Requests: []*eventlog.Request{{}}})
	// The bytes: version, array of 6, origin, number, sent, place, chain, array of 1, array of 9, …
	with := func(at int, by ...byte) []byte { return append(append(bytes.Clone(bare[:at]), by...), bare[at+1:]...) }
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":                       {nil, errDecode},
		"a version alone":               {[]byte{version}, errShort},
		"the version of a newer one":    {with(0, version+1), errVersion},
		"no version":                    {bare[1:], errVersion},
		"something behind the end":      {append(bytes.Clone(bare), 0), errEnd},
		"an array of 5":                 {with(1, majorArray|5), errKind},
		"an array of any length":        {with(1, majorArray|31), errKind},
		"a text":                        {with(2, 3<<5|1, 'a'), errKind},
		"a reserved form":               {with(2, 28), errKind},
		"a long form of a small number": {with(2, 24, 1), errForm},
		"half a number":                 {bare[:2+1], errShort},
		"a time before all numbers":     {with(4, majorNeg|27, 0x80, 0, 0, 0, 0, 0, 0, 0), errRange},
		"a time after all numbers":      {with(4, majorUint|27, 0x80, 0, 0, 0, 0, 0, 0, 0), errRange},
		"null as the requests":          {with(7, cborNull), errEnd},
		"more requests than bytes":      {with(7, majorArray|27, 1, 0, 0, 0, 0, 0, 0, 0), errCount},
		"more events than bytes":        {with(9, majorArray|27, 1, 0, 0, 0, 0, 0, 0, 0), errCount},
		"more text than bytes":          {with(16, majorBytes|27, 1, 0, 0, 0, 0, 0, 0, 0), errShort},
		"a number as a flag":            {with(17, 1), errKind},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := decode(c.b)
			if !errors.Is(err, c.want) || errors.Is(err, errDecode) == errors.Is(err, errVersion) {
				t.Errorf("decoded %x to %+v, %v; want the error %q", c.b, m, err, c.want)
			}
		})
	}
	for _, m := range []*message{full(), edits()} {
		b := encoded(t, m)
		for n := 1; n < len(b); n++ {
			if _, err := decode(b[:n]); !errors.Is(err, errDecode) {
				t.Fatalf("the first %d of %d bytes: %v", n, len(b), err)
			}
		}
	}
}

// allocated is the number of bytes that decoding takes.
func allocated(b []byte) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = decode(b) // whatever it is
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMemoryOfHostileBytes: a message takes no more memory than a multiple of its bytes. The test is not parallel, since it
// counts what the whole process allocates.
func TestMemoryOfHostileBytes(t *testing.T) {
	const size = 1 << 20
	begin := encoded(t, &message{Origin: 1, Number: 1, Requests: []*eventlog.Request{{}}})[:7]
	count := []byte{majorArray | 26, 0, 1, 0x60, 0} // about as many as the checks let through
	repeat := func(head, one []byte) []byte {
		return append(bytes.Clone(head), bytes.Repeat(one, (size-len(head))/len(one))...)
	}
	request := append(append(bytes.Clone(begin), majorArray|1), majorArray|9)
	event := []byte{majorArray | 9, 0x40, 0x40, 0x40, 0x40, 0x40, 0, 0, cborNull, cborNull}
	edit := append(bytes.Clone(request), cborNull, cborNull, cborNull, cborNull, cborNull, cborNull, majorArray|8)
	for name, b := range map[string][]byte{
		"requests":                   repeat(append(bytes.Clone(begin), count...), []byte{majorArray | 9, cborNull, cborNull, cborNull, cborNull, cborNull, cborNull, cborNull, 0x40, cborFalse}),
		"requests that are null":     repeat(append(bytes.Clone(begin), count...), []byte{cborNull}),
		"events":                     repeat(append(bytes.Clone(request), count...), event),
		"events that are null":       repeat(append(bytes.Clone(request), count...), []byte{cborNull}),
		"counts of counts of counts": repeat(begin, append(bytes.Clone(count), majorArray|9)),
		"texts":                      repeat(append(bytes.Clone(edit), cborNull, cborNull, 0, majorArray|26, 0, 0xf, 0xff, 0), []byte{0x40}),
		"edits of removed events":    repeat(append(bytes.Clone(edit), majorArray|26, 0, 5, 0, 0), []byte{majorArray | 2, 0x40, 0}),
	} {
		got := allocated(b)
		t.Logf("%s: %.1f times its bytes", name, float64(got)/float64(len(b)))
		if got > 64*size {
			t.Errorf("%s: %d bytes take %d bytes of memory", name, len(b), got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range []*message{full(), edits(), run(), posts(1), posts(3)} {
		f.Add(encoded(f, m))
	}
	f.Add([]byte{})
	f.Add([]byte{version + 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			if errors.Is(err, errDecode) == errors.Is(err, errVersion) {
				t.Errorf("%x: the error %q", b, err)
			}
			return
		}
		if again, err := encode(m); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x becomes %x (%v)", b, again, err)
		}
	})
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
				if _, err := encode(m); err != nil {
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
