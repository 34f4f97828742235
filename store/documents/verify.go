package documents

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// Verify checks the rows of all documents, of their complete indexes and of their counts against each other. It calls report with each fault,
// and progress with the number of rows that it has read. An error means that it stopped before the end.
func Verify(view eventlog.View, report func(fault string), progress func(done int64)) error {
	v := verifier{view: view, report: report, progress: progress, indexes: map[string][]query.Field{}, counts: map[string]*verifiedCounts{}}
	if err := v.findIndexes(); err != nil {
		return fmt.Errorf("looking for indexes: %w", err)
	}
	if err := view.Scan(rowCounted, end(rowCounted), false, v.readCounts); err != nil {
		return fmt.Errorf("reading counts: %w", err)
	}
	if err := view.Scan(rowDocument, end(rowDocument), false, v.document); err != nil {
		return fmt.Errorf("reading documents: %w", err)
	}
	v.compareCounts()
	for collection, fields := range v.indexes {
		for _, f := range fields {
			base := entries(collection, f)
			if err := view.Scan(base, end(base), false, v.entryOf(collection, f)); err != nil {
				return fmt.Errorf("reading the index of %s on %s: %w", collection, f.String(), err)
			}
		}
	}
	return nil
}

// verifier is one Verify under way.
type verifier struct {
	view     eventlog.View
	report   func(fault string)
	progress func(done int64)
	done     int64
	indexes  map[string][]query.Field   // that are complete, by collection
	counts   map[string]*verifiedCounts // by collection. A folder of an older version has none
}

// verifiedCounts are the counts of a collection, and what they should be.
type verifiedCounts struct {
	counts
	is totals
}

func (v *verifier) fault(format string, args ...any) { v.report(fmt.Sprintf(format, args...)) }

// verifyEvery is the number of rows between two calls of progress.
const verifyEvery = 1000

func (v *verifier) count() {
	if v.done++; v.done%verifyEvery == 0 {
		v.progress(v.done)
	}
}

// findIndexes finds the complete indexes. Settings declare them, so they are few.
func (v *verifier) findIndexes() error {
	return v.view.Scan(rowBuilt, end(rowBuilt), false, func(key, value []byte) (bool, error) {
		collection, path, _ := strings.Cut(string(key[len(rowBuilt):]), "/")
		f, err := query.ParseField(path)
		switch {
		case err != nil:
			v.fault("the mark %q of an index names no field", key)
		case len(value) == 0:
			v.fault("the mark %q of an index is empty", key)
		case value[0] != building:
			v.indexes[collection] = append(v.indexes[collection], f)
		}
		return true, nil
	})
}

// readCounts reads the counts of a collection.
func (v *verifier) readCounts(key, value []byte) (bool, error) {
	c, err := parseCounts(string(key), value)
	if err != nil {
		v.fault("the counts of collection %s cannot be read", c.collection())
	} else {
		v.counts[c.collection()] = &verifiedCounts{counts: c}
	}
	return true, nil
}

// compareCounts compares the counts with the documents that were read.
func (v *verifier) compareCounts() {
	for _, name := range slices.Sorted(maps.Keys(v.counts)) {
		if c := v.counts[name]; c.is != c.totals {
			v.fault("collection %s has %d documents of %d bytes, but counts %d of %d bytes", name, c.is.count, c.is.bytes, c.count, c.bytes)
		}
	}
}

// document checks a document, and that each index of its collection has a row for it.
func (v *verifier) document(key, text []byte) (bool, error) {
	v.count()
	collection, _, _ := strings.Cut(string(key[len(rowDocument):]), "/")
	if c := v.counts[collection]; c != nil && (c.next == "" || string(key) < c.next) {
		c.is = c.is.plus(totals{1, int64(len(text))})
	}
	if !json.Valid(text) {
		return true, nil // rows.Check reports it
	}
	id := ID(text)
	if string(key) != documentKey(collection, id) {
		v.fault("document %q has the key of another one, %q", id, key)
		return true, nil
	}
	for _, f := range v.indexes[collection] {
		value, err := v.view.Row(entryKey(collection, f, id, text))
		if err != nil {
			return false, err
		}
		if value == nil {
			v.fault("document %q of %s has no row in the index on %s", id, collection, f.String())
		} else if string(value) != id {
			v.fault("the row of document %q of %s in the index on %s leads to %q", id, collection, f.String(), value)
		}
	}
	return true, nil
}

// entryKey is the key of a document's row in an index.
func entryKey(collection string, f query.Field, id string, text []byte) string {
	return entries(collection, f) + string(f.AppendKey(nil, text)) + documentKey(collection, id)[len(documents(collection)):]
}

// entryOf returns the check of an index's rows: each is one that its document has.
func (v *verifier) entryOf(collection string, f query.Field) func(key, id []byte) (bool, error) {
	return func(key, id []byte) (bool, error) {
		v.count()
		text, err := v.view.Row(documentKey(collection, string(id)))
		switch {
		case err != nil:
			return false, err
		case text == nil:
			v.fault("the row %q in the index of %s on %s is of document %q, which does not exist", key, collection, f.String(), id)
		case json.Valid(text) && !bytes.Equal(key, []byte(entryKey(collection, f, string(id), text))):
			v.fault("the row %q in the index of %s on %s is not one of document %q", key, collection, f.String(), id)
		}
		return true, nil
	}
}
