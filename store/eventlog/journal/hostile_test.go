package journal

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"sluice/store/eventlog"
)

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
			if b, err := encode(m, Oldest); !errors.Is(err, c.want) {
				t.Errorf("encoded to %x, %v; want the error %q", b, err, c.want)
			}
			w := &wire{b: []byte{Oldest}}
			w.message(m)
			if _, err := decode(w.b); !errors.Is(err, errDecode) || !errors.Is(err, c.want) {
				t.Errorf("decoding it: %v; want the error %q", err, c.want)
			}
		})
	}
	if _, err := encode(&message{Origin: 1, Number: 1, Requests: []*eventlog.Request{nil}}, Oldest); !errors.Is(err, errNothing) {
		t.Errorf("a request that is nil: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	none := &message{Origin: 1, Number: 1, Requests: []*eventlog.Request{{}}}
	bare := encoded(t, none)
	// The bytes: version, array of 6, origin, number, sent, place, chain, array of 1, array of 9, …
	with := func(at int, by ...byte) []byte { return append(append(bytes.Clone(bare[:at]), by...), bare[at+1:]...) }
	data := &message{Origin: 1, Number: 1, Requests: []*eventlog.Request{{Events: []eventlog.Event{{Data: []byte("12")}}}}}
	// withRow is a message whose row is a part of something.
	withRow := func(m *message, part ...byte) []byte {
		c := *m
		r := *m.Requests[0]
		r.Rows = []eventlog.Row{{Value: []byte("here")}}
		c.Requests = []*eventlog.Request{&r}
		return bytes.Replace(encoded(t, &c), []byte("\x44here"), append([]byte{majorArray | 3}, part...), 1)
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":                       {nil, errDecode},
		"a version alone":               {[]byte{Oldest}, errShort},
		"the version of a newer one":    {with(0, Newest+1), errVersion},
		"the version of an older one":   {with(0, 0), errVersion},
		"an op of 256":                  {bytes.Replace(encoded(t, data), []byte{0x40, 0, 0, 0x42}, []byte{0x40, majorUint | 25, 1, 0, 0, 0x42}, 1), errRange},
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
		"a part of no event":            {withRow(none, 0, 0, 1), errRange},
		"a part beyond an event":        {withRow(data, 0, 1, 2), errRange},
		"a part far beyond an event":    {withRow(data, 0, 3, 1), errRange},
		"a part of the third of two":    {withRow(data, 2, 0, 1), errRange},
		"an empty part":                 {withRow(data, 0, 0, 0), errRange},
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
	for _, m := range []*message{full(), edits(), changed(9)} {
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
		"events of one byte":         repeat(append(bytes.Clone(request), majorArray|26, 0, 0xf, 0xff, 0), []byte{cborNull}),
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
	for _, m := range []*message{full(), edits(), run(), changed(3), posts(1), posts(3)} {
		f.Add(encoded(f, m))
	}
	f.Add([]byte{})
	f.Add([]byte{Newest + 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			if errors.Is(err, errDecode) == errors.Is(err, errVersion) {
				t.Errorf("%x: the error %q", b, err)
			}
			return
		}
		if again, err := encode(m, int(b[0])); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x becomes %x (%v)", b, again, err)
		}
	})
}
