package documents_test

import (
	"context"
	"strings"
	"testing"

	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// verify returns the faults that Verify finds.
func verify(t tb, log *eventlog.Log) (faults []string) {
	t.Helper()
	err := log.View(context.Background(), func(v eventlog.View) error {
		return documents.Verify(v, func(fault string) { faults = append(faults, fault) }, func(int64) {})
	})
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

// TestVerifyFaults: each document without a row in an index is reported, and each row of an index without a document.
func TestVerifyFaults(t *testing.T) {
	t.Parallel()
	const entry = "index/c/n\x00"
	for name, tt := range map[string]struct {
		damage func(rows map[string]string) []eventlog.Row // rows has the values of all rows
		want   []string                                    // each fault contains one of these, in order
	}{
		"nothing": {func(map[string]string) []eventlog.Row { return nil }, nil},
		"document missing": {func(rows map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: key(rows, "document/c/", `"_id":"b"`)}}
		}, []string{"collection c has 2 documents of", `on n is of document "b", which does not exist`}},
		"row missing": {func(rows map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: key(rows, entry, "b")}}
		}, []string{`document "b" of c has no row in the index on n`}},
		"row of another": {func(rows map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: key(rows, entry, "b"), Value: []byte("a")}}
		}, []string{`document "b" of c in the index on n leads to "a"`, `is not one of document "a"`}},
		"document changed": {func(rows map[string]string) []eventlog.Row {
			k := key(rows, "document/c/", `"_id":"b"`)
			return []eventlog.Row{{Key: k, Value: []byte(strings.Replace(rows[k], `"n":2`, `"n":7`, 1))}}
		}, []string{`document "b" of c has no row`, `is not one of document "b"`}},
		"document's key": {func(rows map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "document/d/x", Value: []byte(`{"_id":"b"}`)}}
		}, []string{`document "b" has the key of another one`}},
		"mark": {func(map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "indexed/c/", Value: []byte{1}}}
		}, []string{`the mark "indexed/c/" of an index names no field`}},
		"empty mark": {func(map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "indexed/d/n", Value: []byte{}}}
		}, []string{`the mark "indexed/d/n" of an index is empty`}},
		"index without a mark": {func(rows map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "indexed/c/n"}, {Key: key(rows, entry, "b")}}
		}, nil},
		"counts": {func(map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "counted/c", Value: []byte{4, 9}}}
		}, []string{"collection c has 3 documents of "}},
		"counts to a document": {func(rows map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "counted/c", Value: append([]byte{0, 0}, key(rows, "document/c/", `"_id":"a"`)...)}}
		}, nil},
		"counts of nothing": {func(map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "counted/d", Value: []byte{1, 9}}}
		}, []string{"collection d has 0 documents of 0 bytes, but counts 1 of 9 bytes"}},
		"broken counts": {func(map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "counted/d", Value: []byte{0xff}}}
		}, []string{"the counts of collection d cannot be read"}},
		"index under way": {func(rows map[string]string) []eventlog.Row {
			return []eventlog.Row{{Key: "indexed/c/n", Value: []byte{0}}, {Key: key(rows, entry, "b")}}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := memory.Open(memory.Options{})
			s, log := openOn(t, engine, documents.Options{Indexes: map[string][]string{"c": {"n"}}})
			defer closeLog(t, log)
			docs := []documents.New{{ID: "a", Fields: fields(t, `{"n":1}`)}, {ID: "b", Fields: fields(t, `{"n":2}`)}, {ID: "c", Fields: fields(t, `{}`)}}
			if _, err := s.Insert(context.Background(), "c", "", docs); err != nil {
				t.Fatal(err)
			}
			all := map[string]string{}
			for r := range rows(t, log, "") {
				all[r.Key] = string(r.Value)
			}
			// The log would derive the rows of indexes and the counts.
			if err := engine.Commit(&eventlog.Group{Rows: tt.damage(all), Applied: eventlog.Applied{Last: log.Settled()}}); err != nil {
				t.Fatal(err)
			}
			found := verify(t, log)
			if len(found) != len(tt.want) {
				t.Fatalf("%d faults, want %d:\n%s", len(found), len(tt.want), strings.Join(found, "\n"))
			}
			for i, want := range tt.want {
				if !strings.Contains(found[i], want) {
					t.Errorf("%s\nwant: %s", found[i], want)
				}
			}
		})
	}
}

// key is the key of a row whose value contains a text.
func key(rows map[string]string, prefix, text string) string {
	for key, value := range rows {
		if strings.HasPrefix(key, prefix) && strings.Contains(value, text) {
			return key
		}
	}
	return "none of " + prefix
}
