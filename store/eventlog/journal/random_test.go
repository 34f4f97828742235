package journal

import (
	"bytes"
	"strings"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

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
	for i := range r.Rows { // a part of an event
		whole := wholes(r, i)[rapid.IntRange(0, 1).Draw(t, "whole")]
		if n := len(whole); n > 0 && rapid.Bool().Draw(t, "part") {
			from := rapid.IntRange(0, n-1).Draw(t, "from")
			r.Rows[i].Value = whole[from:rapid.IntRange(from, n).Draw(t, "to")]
		}
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
