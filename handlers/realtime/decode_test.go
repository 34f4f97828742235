package realtime

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/broker/sse"
	"sluice/channel"
	"sluice/handlers/httperr"
)

// FuzzDecode: whatever comes is refused with a 400 or 413, or is JSON whose events have good names
// and data that is what was sent, but for white space.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"event":"a"}`, `[{"event":"put","collection":"c","data":{"a":[1,2,{}]}}]`, `{"event":"\u0061","data":"\\\""}`, `[[]]`, `[1,"]",{}]`,
		`{"event":"a","data":1e400,"stream":"s","expect":"7"}`, "{\"event\":\"a\"}\n{\"event\":\"b\"}\r\n\n", `{"event":"a","expect":"\u0031"}`, `{}`, `[`, "\xff",
		`{"event":"a","data":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`,
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, ndjson bool) {
		b, bad := decode(bytes.Clone(body), ndjson, 1<<20)
		if bad != nil {
			if bad.Status != 400 && bad.Status != 413 || bad.Message == "" || bad.Code == "" || !utf8.ValidString(bad.Message) && utf8.Valid(body) {
				t.Fatalf("%q: %+v", body, bad)
			}
			return
		}
		if !ndjson && !json.Valid(body) {
			t.Fatalf("%q was taken", body)
		}
		for i := range b.events {
			e := &b.events[i]
			if channel.CheckEvent(e.Name) != nil || e.Collection != "" && channel.CheckName(e.Collection) != nil || !json.Valid(e.Data) {
				t.Fatalf("%q: %+v", body, e)
			}
			var again bytes.Buffer
			if err := json.Compact(&again, e.Data); err != nil || !bytes.Equal(again.Bytes(), e.Data) {
				t.Fatalf("%q: data is not compact: %q", body, e.Data)
			}
			if n := sse.ObjectLen(e.Name, e.Collection, e.Stream, e.Data); n != len(sse.AppendObject(nil, e.Name, e.Collection, e.Stream, e.Data)) {
				t.Fatalf("%q: ObjectLen is %d", body, n)
			}
		}
		if !ndjson && b.single {
			var object struct{ Data json.RawMessage }
			var want bytes.Buffer
			if json.Unmarshal(body, &object) == nil && object.Data != nil && json.Compact(&want, object.Data) == nil && strings.Count(string(body), "ata\"") == 1 && !bytes.Equal(want.Bytes(), b.events[0].Data) {
				t.Fatalf("%q: data became %q", body, b.events[0].Data)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	one := []byte(`{"event":"put","collection":"customer","data":{"id":"577cf185e2039b0900000016","text":"` + strings.Repeat("x", 140) + `"}}`)
	batch := []byte("[" + strings.Repeat(string(one)+",", 99) + string(one) + "]")
	for name, body := range map[string][]byte{"one": one, "batch of 100": batch} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, bad := decode(body, false, 1<<16); bad != nil {
					b.Fatal(bad)
				}
			}
		})
	}
}

// A name that is spelled as the one before is taken over; what only looks so is read for itself.
func TestNamesAsBefore(t *testing.T) {
	b, bad := decode([]byte(`[{"event":"a\\b","collection":"c"},{"event":"a\\b","collection":"c"},{"event":"PUT","collection":"c"},{"event":"put","collection":"d"},{"event":"x"},{"event":"x","collection":"c"}]`), false, 1<<16)
	if bad != nil {
		t.Fatal(bad)
	}
	got := ""
	for _, e := range b.events {
		got += e.Name + ":" + e.Collection + " "
	}
	if want := `a\b:c a\b:c put:c put:d x: x:c `; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, body := range []string{`[{"event":"a\\b"},{"event":"a\b"}]`, `[{"event":"x"},{"event":"x","collection":""}]`, `[{"event":"x"},{"event":"x","event":"x"}]`, `[{"event":"x"},{"event":""}]`} {
		if b, bad := decode([]byte(body), false, 1<<16); bad == nil {
			t.Errorf("%s was taken: %+v", body, b.events)
		}
	}
}

// TestTooManyEvents: events beyond the most are counted and looked at, and take no memory.
func TestTooManyEvents(t *testing.T) {
	t.Parallel()
	for _, ndjson := range []bool{false, true} {
		text := strings.Repeat(`{"event":"a","data":""},`, 40_000)
		body := "[" + strings.TrimSuffix(text, ",") + "]"
		if ndjson {
			body = strings.ReplaceAll(text, "},", "}\n")
		}
		b, read := &batch{}, (*batch).json
		if ndjson {
			read = (*batch).lines
		}
		if bad := read(b, []byte(body)); bad != nil || b.count != 40_000 || len(b.events) > maxEvents {
			t.Errorf("%v; %d events, of which %d are kept", bad, b.count, len(b.events))
		}
		if _, err := decode([]byte(body), ndjson, 1<<16); err == nil || err.Code != httperr.TooManyEvents || !strings.Contains(err.Message, "40000 events") {
			t.Error(err)
		}
	}
}
