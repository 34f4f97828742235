package pebble

import (
	"bytes"
	"testing"

	"sluice/store/eventlog"
)

func readRecord(b []byte) (e eventlog.Event, err error) {
	names, data, err := cutRecord(b)
	if err == nil {
		readNames(names, &e)
		e.Data = data
	}
	return e, err
}

// FuzzRecord: what we write we can read. Other bytes are refused without a panic.
func FuzzRecord(f *testing.F) {
	f.Add("put", "customer", "s", "", []byte(`{}`))
	f.Add("pay bill", "", "s", "5f0c1f6e", []byte(`{}`))
	f.Add("", "", "", "", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, name, collection, stream, key string, data []byte) {
		if len(name) > 200 || len(collection) > 200 || len(stream) > 200 || len(key) > 200 {
			return
		}
		e := eventlog.Event{Name: name, Collection: collection, Stream: stream, Key: key, Data: data}
		if key != "" {
			e.Meta = data
		}
		row := appendRecord(nil, &e)
		if len(row) != recordSize(&e) {
			t.Fatalf("%d bytes, recordSize is %d", len(row), recordSize(&e))
		}
		got, err := readRecord(row)
		if err != nil || got.Name != name || got.Collection != collection || got.Stream != stream || got.Key != key || !bytes.Equal(got.Meta, e.Meta) || !bytes.Equal(got.Data, data) {
			t.Fatalf("%+v came back as %+v, %v", e, got, err)
		}
		_, _ = readRecord(data) // any result, but no panic
		_, _ = readRecord(append([]byte{recordPlain}, data...))
		_, _ = readRecord(append([]byte{recordKeyed}, data...))
	})
}

// FuzzText: escaped texts can be read back, and sort as the texts do.
func FuzzText(f *testing.F) {
	f.Add("a", "a\x00b")
	f.Add("", "\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := appendText(nil, a), appendText(nil, b)
		if got, rest, ok := cutText(append(bytes.Clone(x), y...)); !ok || got != a || !bytes.Equal(rest, y) {
			t.Fatalf("%q came back as %q", a, got)
		}
		if bytes.Compare(x, y) != bytes.Compare([]byte(a), []byte(b)) {
			t.Fatalf("%q and %q sort otherwise", a, b)
		}
	})
}
