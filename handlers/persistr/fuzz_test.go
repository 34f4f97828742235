package persistr

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/streams"
)

// FuzzEvent: whatever body is taken is stored as an event that reads back as JSON with the same names.
func FuzzEvent(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"credit":1},"meta":{"db":"demo","ns":"","stream":"s","type":"pay bill","tz":"Europe/Oslo","x":[1]}}`,
		`{"meta":{"db":"d","stream":"\ud800","type":"put","ts":"never","id":"\u0000"}}`,
		`{"data":{},"meta":{"db":"d","stream":"a/b~%","type":" ","ns":null}}`, `[]`, `{`, ``,
	} {
		f.Add([]byte(seed), "1")
	}
	log, err := eventlog.Open(memory.Open(memory.Options{Retain: func(string) eventlog.Retention { return eventlog.Retention{} }}), eventlog.Options{})
	if err != nil {
		f.Fatal(err)
	}
	defer log.Close()
	catalog, err := streams.Open(log, streams.Limits{})
	if err != nil {
		f.Fatal(err)
	}
	if err := catalog.Create(f.Context(), "d", ""); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, id string) {
		v := jsontext.Value(body)
		if v.Compact(jsontext.AllowDuplicateNames(true)) != nil {
			return // the door refuses it before
		}
		name, e, err := parseEvent(v, id)
		if err != nil {
			return
		}
		w, err := catalog.Write("d") // the record is the same in each database
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Record(e, true)
		if errors.Is(err, streams.ErrName) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var back struct {
			Data map[string]any
			Meta struct{ ID, Type, DB, NS, Stream, TS string }
		}
		text := streams.Text(eventlog.NewClock(eventlog.System(), 0, nil), name, &r)
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		same := func(a, b string) bool { // invalid UTF-8 is replaced, as JSON requires
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			return string(x) == string(y)
		}
		if m := back.Meta; !same(m.ID, e.ID) || m.Type != e.Type || m.NS != e.Namespace || m.Stream != e.Stream || m.DB != name {
			t.Fatalf("%s came back as %s", body, text)
		}
	})
}
