package driftdb

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// frames are maps of CBOR, and what stands in them under "value".
var frames = []struct{ frame, value string }{
	{"a16576616c756501", "01"},
	{"a16576616c7565d9d9f701", "d9d9f701"},                 // self-described
	{"a16576616c7565d9d9f7d9d9f78101", "d9d9f7d9d9f78101"}, // twice
	{"d9d9f7a16576616c7565d9d9f7f7", "d9d9f7f7"},           // the frame as well
	{"a16576616c756581d9d9f701", "81d9d9f701"},             // inside
	{"bf6576616c7565d9d9f7016161f6ff", "d9d9f701"},         // a map that says no count
	{"b90002616101" + "6576616c75659f01ff", "9f01ff"},      // a count longer than it need be
	{"a27f6376616c627565ff0161620a", "01"},                 // a key in parts
	{"a26576616c7565016576616c7565d9d9f702", "d9d9f702"},   // twice the same: the last
	{"a16576616c7565d9d9f75f4101ff", "d9d9f75f4101ff"},     // a text of no count
	{"a16576616c7565d9d9f7bf6161d9d9f7f5ff", "d9d9f7bf6161d9d9f7f5ff"},
}

func TestFields(t *testing.T) {
	t.Parallel()
	for _, one := range frames {
		fields, err := cborFields(unhex(t, one.frame))
		if got := hex.EncodeToString(fields["value"]); err != nil || got != one.value {
			t.Errorf("%s has %s (%v), want %s", one.frame, got, err, one.value)
		}
	}
	for _, bad := range []string{"", "a1", "80", "01", "f6", "ff", "a10102", "bf", "bfff00", "d9d9f7", "d9d9f701", "a16161", "bb0000000000000001", "bc", "a14161f6", "a161ff01"} {
		if fields, err := cborFields(unhex(t, bad)); err == nil {
			t.Errorf("%s is taken as %v", bad, fields)
		}
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzFields: whatever comes, the fields are those that the library finds, and each of them stands in the frame as it is.
func FuzzFields(f *testing.F) {
	for _, one := range frames {
		b, _ := hex.DecodeString(one.frame)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if m, err := decodeCBOR(frame); err == nil && m.kind == kindPush && !bytes.Contains(frame, m.raw) {
			t.Fatalf("%x is not in the frame", m.raw)
		}
		fields, err := cborFields(frame)
		var want map[string]cbor.RawMessage
		werr := cborMode.Unmarshal(frame, &want)
		if werr == nil && want != nil && (err != nil || len(fields) != len(want)) {
			t.Fatalf("%v (%v), the library has %v", fields, err, want)
		}
		if werr != nil {
			return // what it says of tags is decided after
		}
		for key, value := range fields {
			if !bytes.Contains(frame, value) || !bytes.HasSuffix(value, want[key]) || cborMode.Wellformed(value) != nil {
				t.Fatalf("%q is %x, want %x", key, value, want[key])
			}
		}
	})
}
