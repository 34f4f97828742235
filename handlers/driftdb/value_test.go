package driftdb

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func TestJSONToCBOR(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"-0":                   "fb8000000000000000", // a negative zero, as in JavaScript
		"0":                    "00",
		"-1":                   "20",
		"-9223372036854775808": "3b7fffffffffffffff",
		"18446744073709551615": "1bffffffffffffffff",
		"1e999":                "fb7ff0000000000000",
		"-1e999":               "fbfff0000000000000",
		"1.5":                  "fb3ff8000000000000",
		"[[],{},[1]]":          "8380a08101",
		`{"a":[1,{"b":2}]}`:    "a161618201a1616202",
		`["\ud800",1]`:         "8263efbfbd01", // half a pair, which JavaScript has: the rest stays
	} {
		got, err := toCBOR(nil, []byte(text))
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s is %x (%v), want %s", text, got, err, want)
		}
	}
}

// What a push costs is in proportion to its length, however deep it is: it is paid with the hub locked. Copied anew at
// each depth, this one took 5 GB and 6 s.
func TestDeepJSONToCBOR(t *testing.T) {
	const depth, long = 9000, 512 << 10
	text := []byte(strings.Repeat("[", depth) + `"` + strings.Repeat("x", long) + `"` + strings.Repeat("]", depth))
	var got []byte
	var err error
	cost := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			got, err = toCBOR(nil, text)
		}
	})
	if err != nil || !bytes.HasPrefix(got, []byte{0x81, 0x81, 0x81}) || len(got) != depth+5+long {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if n := cost.AllocedBytesPerOp(); n > 20*long {
		t.Errorf("%d bytes were allocated for %d", n, long)
	}
}

// What is slow to say in JSON is not said: the digits of a number cost the square of their count.
func TestCostlyCBORToJSON(t *testing.T) {
	t.Parallel()
	number := func(n int) []byte {
		return append([]byte{0xc2, 0x5a, 0, byte(n >> 16), byte(n >> 8), byte(n)}, bytes.Repeat([]byte{0xff}, n)...)
	}
	small, err := toJSON(number(16))
	if err != nil || string(small) != "340282366920938463463374607431768211455" {
		t.Errorf("%s, %v", small, err)
	}
	if large, err := toJSON(number(1 << 19)); err != nil || string(large) != "null" {
		t.Errorf("%d bytes, %v", len(large), err)
	}
}

// Texts of CBOR are UTF-8 too, also beside what JSON has nothing like: a reader cannot decode the others.
func TestCBORTakesUTF8Only(t *testing.T) {
	t.Parallel()
	for text, taken := range map[string]bool{
		"a1806161":                             true,  // {[]: "a"}
		"a2806161616161ff":                     false, // {[]: "a", "a": "\xff"}
		"61ff":                                 false,
		"7f61ffff":                             false, // in pieces
		"82a1a0016161":                         true,
		"82a1a00161ff":                         false,
		"a1c100c249010000000000000000":         true,
		"9f9fa18080ff5f4101ffbf6161f97e00ffff": true,
	} {
		value, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := toJSON(value); (err == nil) != taken {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}
