package driftdb

import (
	"encoding/hex"
	"testing"
)

// Tags of dates and large numbers around other content are read as the content, and the value goes back as it came.
func TestOtherContentOfTags(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"c001":            "1",
		"c0656865 6c6c6f": `"hello"`,
		"c0f6":            "null",
		"c080":            "[]",
		"c0c001":          "1",
		"c0c074323032302d30312d30315430303a30303a30305a": `"2020-01-01T00:00:00Z"`,
		"c1656865 6c6c6f":              `"hello"`,
		"c1f5":                         "true",
		"c143010203":                   "[1,2,3]",
		"c1fb7ff8000000000000":         "null",
		"c201":                         "1",
		"c26161":                       `"a"`,
		"c2820102":                     "[1,2]",
		"c2d84043010203":               "[1,2,3]",
		"c301":                         "1",
		"c3f6":                         "null",
		"82c001c11a5e0be100":           `[1,"2020-01-01T00:00:00Z"]`,
		"a16161c001":                   `{"a":1}`,
		"a1c16161 01":                  `{"a":1}`,
		"9fc0019fc2f4ffff":             "[1,[false]]",
		"bf6161c26162ff":               `{"a":"b"}`,
		"82c0017f61616162ff":           `[1,"ab"]`,
		"82c0015f41014102ff":           "[1,[1,2]]",
		"82c001f93e00":                 "[1,1.5]",
		"82c001a18001":                 "null",
		"d9d9f7c001":                   "1",
		"82c001c249010000000000000000": "[1,18446744073709551616]",
	} {
		raw, err := hex.DecodeString(strip(value))
		if err != nil {
			t.Fatal(err)
		}
		got, err := toJSON(raw)
		if err != nil || string(got) != want {
			t.Errorf("%s is %s (%v), want %s", value, got, err, want)
		}
		frame := append(appendCBORText(appendCBORText(appendType(nil, 4, "push"), "key"), "k"), 0x66)
		frame = append(append(frame, "action"...), 0xa1)
		frame = appendCBORText(appendCBORText(frame, "type"), "append")
		m, err := decodeCBOR(append(appendCBORText(frame, "value"), raw...))
		if err != nil || hex.EncodeToString(m.raw) != strip(value) {
			t.Errorf("%s does not pass: %v", value, err)
		}
	}
}

// strip leaves out blanks.
func strip(text string) string {
	var out []byte
	for _, b := range []byte(text) {
		if b != ' ' {
			out = append(out, b)
		}
	}
	return string(out)
}
