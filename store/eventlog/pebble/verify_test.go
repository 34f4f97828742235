package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/rows"
)

// sample is a log with all kinds of keys, on a disk in memory.
type sample struct {
	fs     vfs.FS
	last   uint64
	audit  []uint64 // the ids of the space $audit, which has several segments
	cut    uint64   // the event of $db/cut, which retention has cut
	stored uint64   // the event of $db/d
	entry  uint64   // the second entry of $room/r, and the last event there
	answer uint64
}

const inRoom = channel.RoomSpace + "secret"

func newSample(t *testing.T) *sample {
	t.Helper()
	f := &sample{fs: vfs.NewMem()}
	e, err := Open(Options{Dir: "log", FS: f.fs, Retain: func(space string) eventlog.Retention {
		if space == "$audit" {
			return eventlog.Retention{Bytes: 32 * 100} // a segment takes 100 bytes
		}
		return eventlog.Retention{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(e, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	add := func(r *eventlog.Request) uint64 {
		id, err := log.Append(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	event := func(e eventlog.Event) uint64 { return add(&eventlog.Request{Events: []eventlog.Event{e}}) }
	data := []byte(`"` + strings.Repeat("x", 60) + `"`)
	for range 9 {
		f.audit = append(f.audit, event(eventlog.Event{Space: "$audit", Name: "a", Collection: "c", Data: data}))
	}
	add(&eventlog.Request{Edit: &eventlog.Edit{Trim: []eventlog.Trim{{Space: "$audit", ID: f.audit[2]}}}})
	f.cut = event(eventlog.Event{Space: "$db/cut", Name: "e", Stream: "s", Key: "k", Data: data})
	add(&eventlog.Request{Edit: &eventlog.Edit{Trim: []eventlog.Trim{{Space: "$db/cut", ID: f.cut}}}})
	event(eventlog.Event{Space: "$db/cut", Name: "e", Stream: "s", Key: "k", Data: data}) // the key is free again
	gone := eventlog.Event{Space: "$db/d", Name: "e", Stream: "s", Key: "gone", Data: data}
	gone.ID = event(gone)
	f.stored = event(eventlog.Event{Space: "$db/d", Name: "e", Stream: "s", Key: "k", Data: data})
	add(&eventlog.Request{Edit: &eventlog.Edit{Remove: []eventlog.Event{gone}, Freed: e.Weight(&gone)}})
	if err := log.Create(context.Background(), inRoom); err != nil {
		t.Fatal(err)
	}
	event(eventlog.Event{Space: inRoom, Key: "k", Op: eventlog.Append, Data: data})
	f.entry = event(eventlog.Event{Space: inRoom, Key: "k", Op: eventlog.Append, Data: data})
	add(&eventlog.Request{Rows: []eventlog.Row{{Key: "key/a", Value: []byte(`{}`)}}})
	once, _, err := log.Once("o", "k", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	f.answer = add(&eventlog.Request{Once: once, Events: []eventlog.Event{{Name: "put", Stream: "s", Data: data}}})
	f.last = log.Settled()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// faults are those that Verify finds.
func (f *sample) faults(t *testing.T) (faults []string) {
	t.Helper()
	i, err := Inspect(Options{Dir: "log", FS: f.fs})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Verify(context.Background(), Verifying{Fault: func(text string) { faults = append(faults, text) }, Row: rows.Check}); err != nil {
		t.Error(err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	return faults
}

// change writes straight into the folder.
func (f *sample) change(t *testing.T, change func(db *pebble.DB) error) {
	t.Helper()
	db, err := pebble.Open("log", &pebble.Options{FS: f.fs, FormatMajorVersion: pebble.FormatColumnarBlocks, Logger: newCondition(newEngine(Options{Dir: "log", FS: f.fs}).options, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(change(db), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func (f *sample) set(t *testing.T, key, value []byte) {
	t.Helper()
	f.change(t, func(db *pebble.DB) error { return db.Set(key, value, pebble.Sync) })
}

func (f *sample) remove(t *testing.T, key []byte) {
	t.Helper()
	f.change(t, func(db *pebble.DB) error {
		if _, c, err := db.Get(key); err != nil {
			return fmt.Errorf("%x: %w", key, err) // the test would test nothing
		} else if err := c.Close(); err != nil {
			return err
		}
		return db.Delete(key, pebble.Sync)
	})
}

func (f *sample) get(t *testing.T, key []byte) (value []byte) {
	t.Helper()
	f.change(t, func(db *pebble.DB) (err error) {
		value, err = get(db, key)
		return err
	})
	if value == nil {
		t.Fatalf("there is no key %x", key)
	}
	return value
}

// number is the number of a space.
func (f *sample) number(t *testing.T, name string) uint32 {
	t.Helper()
	return binary.BigEndian.Uint32(f.get(t, spaceKey(name)))
}

// segment returns the row of the segment with an index.
func (f *sample) segment(t *testing.T, space string, index int) segment {
	t.Helper()
	var found []segment
	number := f.number(t, space)
	f.change(t, func(db *pebble.DB) error {
		return (&Engine{db: db}).each(appendUint32([]byte{keyMeta, metaSegment}, number), func(rest, value []byte) error {
			s, err := readSegment(binary.BigEndian.Uint32(rest), value)
			found = append(found, s)
			return err
		})
	})
	if len(found) <= index {
		t.Fatalf("%s has only the segments %v", space, found)
	}
	return found[index]
}

func uint64s(numbers ...uint64) (b []byte) {
	for _, n := range numbers {
		b = appendUint64(b, n)
	}
	return b
}

// TestVerifyFaults: each broken invariant is reported, and nothing else.
func TestVerifyFaults(t *testing.T) {
	t.Parallel()
	auditChannel := channel.Of("$audit", "a", "c")
	for name, tt := range map[string]struct {
		damage func(t *testing.T, f *sample)
		want   []string // each fault contains one of these, in order
	}{
		"nothing": {func(*testing.T, *sample) {}, nil},

		"unknown kind":      {func(t *testing.T, f *sample) { f.set(t, []byte{0x30, 1}, nil) }, []string{"key 3001 is of no known kind"}},
		"unknown meta":      {func(t *testing.T, f *sample) { f.set(t, []byte{keyMeta, 'x'}, nil) }, []string{"key 0178 is of no known kind"}},
		"short meta":        {func(t *testing.T, f *sample) { f.set(t, []byte{keyMeta}, nil) }, []string{"key 01 is of no known kind"}},
		"unknown clock key": {func(t *testing.T, f *sample) { f.set(t, []byte{keyMeta, metaClock, 'x'}, nil) }, []string{"key 016378 is of no known kind"}},
		"anchor":            {func(t *testing.T, f *sample) { f.set(t, anchorKey, []byte{1}) }, []string{"the anchor of the log's clock"}},
		"marks":             {func(t *testing.T, f *sample) { f.set(t, marksKey, uint64s(0, 1, 0, 2)) }, []string{"the marks of the log's clock"}},
		"run":               {func(t *testing.T, f *sample) { f.set(t, runKey(9), []byte{1}) }, []string{"the run with the key"}},
		"run backwards":     {func(t *testing.T, f *sample) { f.set(t, runKey(9), uint64s(f.last, f.last)) }, []string{"run 9 starts at"}},
		"run before":        {func(t *testing.T, f *sample) { f.set(t, runKey(9), uint64s(1, 2)) }, []string{"run 9 recovered up to 1, but"}},
		"run after":         {func(t *testing.T, f *sample) { f.set(t, runKey(9), uint64s(f.last, f.last+1)) }, []string{"run 9 starts at"}},

		"space's number": {func(t *testing.T, f *sample) { f.set(t, spaceKey("$db/x"), []byte{1}) }, []string{`the number of space "$db/x" cannot be read`}},
		"same number": {func(t *testing.T, f *sample) {
			f.set(t, spaceKey("$db/x"), appendUint32(nil, f.number(t, "$db/d")))
		}, []string{`spaces "$db/d" and "$db/x" have the same number`}},
		"unknown space": {func(t *testing.T, f *sample) {
			for _, key := range [][]byte{segmentRowKey(99, 1), floorKey(99), logKey(nil, 99, 1), channelKey(nil, 99, 0, auditChannel), streamKey(nil, 99, 0, "s"),
				uniqueKey(nil, 99, "s", "k"), entryKey(nil, 99, "k", 1)} {
				if key[0] == keyChannel || key[0] == keyStream {
					key = appendUint64(key, 1)
				}
				f.set(t, key, nil)
			}
		}, []string{"the segment with", "the floor with", "the record with", "the row of the index with", "the row of the index with", "the row of the index with", "the entry with"}},

		"segment": {func(t *testing.T, f *sample) {
			f.set(t, segmentRowKey(f.number(t, "$audit"), 99), []byte{1})
		}, []string{"segment 99 of space \"$audit\" (number 1) cannot be read"}},
		"segment's key": {func(t *testing.T, f *sample) { f.set(t, []byte{keyMeta, metaSegment, 1}, nil) }, []string{"the segment with the key"}},
		"segment of a room": {func(t *testing.T, f *sample) {
			s := segment{first: 1, last: 2, count: 1}
			f.set(t, segmentRowKey(f.number(t, inRoom), 0), s.row())
		}, []string{`space "$room/secr"… (number 4) is a keyed space, but has segment 0`}},
		"segment's events": {func(t *testing.T, f *sample) {
			s := f.segment(t, "$audit", 2)
			s.count++
			f.set(t, segmentRowKey(f.number(t, "$audit"), s.number), s.row())
		}, []string{"counts 3 events of"}},
		"segment's bytes": {func(t *testing.T, f *sample) {
			s := f.segment(t, "$audit", 1)
			s.bytes++
			f.set(t, segmentRowKey(f.number(t, "$audit"), s.number), s.row())
		}, []string{"events of"}},
		"segment's last": {func(t *testing.T, f *sample) {
			s := f.segment(t, "", 0)
			s.last++
			f.set(t, segmentRowKey(f.number(t, ""), s.number), s.row())
		}, []string{"but the last id is", "counts 1 events of"}},
		"segments overlap": {func(t *testing.T, f *sample) {
			s := f.segment(t, "$audit", 2)
			s.first = f.segment(t, "$audit", 1).last
			f.set(t, segmentRowKey(f.number(t, "$audit"), s.number), s.row())
		}, []string{"ends at", "counts"}},
		"segments apart": {func(t *testing.T, f *sample) {
			f.remove(t, segmentRowKey(f.number(t, "$audit"), f.segment(t, "$audit", 1).number))
		}, []string{"comes after segment", "is in no segment", "is in no segment", "which is not in segment", "which is not in segment"}},
		"segment of a database": {func(t *testing.T, f *sample) {
			s := f.segment(t, "$db/d", 0)
			s.count = 0
			f.set(t, segmentRowKey(f.number(t, "$db/d"), s.number), s.row())
		}, []string{"has 0 events", "counts 0 events, but has 1"}},

		"floor":       {func(t *testing.T, f *sample) { f.set(t, floorKey(f.number(t, "$audit")), []byte{1}) }, []string{"the floor of space"}},
		"floor's key": {func(t *testing.T, f *sample) { f.set(t, []byte{keyMeta, metaFloor, 1}, nil) }, []string{"the floor with the key"}},
		"floor within": {func(t *testing.T, f *sample) {
			f.set(t, floorKey(f.number(t, "$audit")), uint64s(f.segment(t, "$audit", 1).first))
		}, []string{"but segment"}},
		"floor after": {func(t *testing.T, f *sample) { f.set(t, floorKey(f.number(t, "$db/d")), uint64s(f.last+1)) }, []string{"but the last id is"}},

		"record": {func(t *testing.T, f *sample) {
			f.set(t, logKey(nil, f.number(t, "$audit"), f.audit[4]), []byte{77})
		}, []string{"the record of event", "counts"}},
		"record's key": {func(t *testing.T, f *sample) { f.set(t, []byte{keyLog, 1}, nil) }, []string{"the record with the key"}},
		"record missing": {func(t *testing.T, f *sample) {
			f.remove(t, logKey(nil, f.number(t, "$db/d"), f.stored))
		}, []string{"index of channels is of event", "index of streams is of event", "index of unique keys is of event"}},
		"record too late": {func(t *testing.T, f *sample) {
			f.set(t, logKey(nil, f.number(t, "$db/d"), f.last+1), f.get(t, logKey(nil, f.number(t, "$db/d"), f.stored)))
		}, []string{"is after the last id", "is in no segment"}},
		"record under the segments": {func(t *testing.T, f *sample) {
			f.set(t, logKey(nil, f.number(t, "$audit"), f.audit[0]), f.get(t, logKey(nil, f.number(t, "$audit"), f.audit[4])))
		}, []string{"is in no segment"}},
		"last":         {func(t *testing.T, f *sample) { f.set(t, lastKey, []byte{1}) }, []string{"the last id cannot be read"}},
		"last missing": {func(t *testing.T, f *sample) { f.remove(t, lastKey) }, []string{"the last id is missing"}},

		"no row of a channel": {func(t *testing.T, f *sample) {
			s := f.segment(t, "$audit", 1)
			f.remove(t, appendUint64(channelKey(nil, f.number(t, "$audit"), s.number, auditChannel), s.first))
		}, []string{"has no row in the index of channels"}},
		"no row of a stream": {func(t *testing.T, f *sample) {
			f.remove(t, appendUint64(streamKey(nil, f.number(t, "$db/d"), 0, "s"), f.stored))
		}, []string{"has no row in the index of streams"}},
		"no row of a unique key": {func(t *testing.T, f *sample) {
			f.remove(t, uniqueKey(nil, f.number(t, "$db/d"), "s", "k"))
		}, []string{"has no row for its unique key"}},
		"another channel": {func(t *testing.T, f *sample) {
			s := f.segment(t, "$audit", 1)
			f.set(t, appendUint64(channelKey(nil, f.number(t, "$audit"), s.number, channel.Of("$audit", "b", "c")), s.first), nil)
		}, []string{"index of channels does not fit"}},
		"another stream": {func(t *testing.T, f *sample) {
			f.set(t, appendUint64(streamKey(nil, f.number(t, "$db/d"), 0, "other"), f.stored), nil)
		}, []string{"index of streams does not fit"}},
		"another unique key": {func(t *testing.T, f *sample) {
			f.set(t, uniqueKey(nil, f.number(t, "$db/d"), "s", "other"), uint64s(f.stored))
		}, []string{"index of unique keys does not fit"}},
		"unique key twice": {func(t *testing.T, f *sample) {
			f.set(t, uniqueKey(nil, f.number(t, "$db/d"), "s", "k"), uint64s(f.stored-1))
		}, []string{"have the same unique key", "which does not exist"}},
		"another segment": {func(t *testing.T, f *sample) {
			s := f.segment(t, "$audit", 1)
			f.set(t, appendUint64(channelKey(nil, f.number(t, "$audit"), s.number+1, auditChannel), s.first), nil)
		}, []string{"which is not in segment"}},
		"rows of indexes": {func(t *testing.T, f *sample) {
			number, s := f.number(t, "$audit"), f.segment(t, "$audit", 1)
			f.set(t, []byte{keyChannel, 1}, nil)
			f.set(t, appendUint64(segmentKey(nil, keyChannel, number, s.number), s.first), nil)
			f.set(t, []byte{keyStream, 1}, nil)
			f.set(t, appendUint64(segmentKey(nil, keyStream, number, s.number), s.first), nil)
			f.set(t, []byte{keyUnique, 1}, nil)
			f.set(t, uniqueKey(nil, number, "s", "k"), nil)
		}, []string{"index of channels cannot", "index of channels cannot", "index of streams cannot", "index of streams cannot", "index of unique keys cannot", "index of unique keys cannot"}},

		"keyed row":            {func(t *testing.T, f *sample) { f.set(t, rowKey("keyed/"+inRoom), []byte{1}) }, []string{`the row of space "$room/secr"… cannot be read`}},
		"keyed row missing":    {func(t *testing.T, f *sample) { f.remove(t, rowKey("keyed/"+inRoom)) }, []string{"has entries, but no row"}},
		"keyed row too late":   {func(t *testing.T, f *sample) { f.set(t, rowKey("keyed/"+inRoom), uint64s(2, f.last+1_000_000_000)) }, []string{"says that its last event is"}},
		"keyed row of another": {func(t *testing.T, f *sample) { f.set(t, rowKey("keyed/$db/d"), uint64s(2, 2)) }, []string{"has the row of a keyed space, but is none"}},
		"number too high":      {func(t *testing.T, f *sample) { f.set(t, rowKey("keyed/"+inRoom), uint64s(1, f.entry)) }, []string{"entry 2 of"}},
		"entry too late":       {func(t *testing.T, f *sample) { f.set(t, rowKey("keyed/"+inRoom), uint64s(2, f.entry-1)) }, []string{"its row says that its last event is"}},
		"entry after the last": {func(t *testing.T, f *sample) {
			key := entryKey(nil, f.number(t, inRoom), "k", 2)
			f.set(t, key, append(uint64s(f.last+1), f.get(t, key)[8:]...))
		}, []string{"but the last id is", "its row says that its last event is"}},
		"entry": {func(t *testing.T, f *sample) {
			f.set(t, entryKey(nil, f.number(t, inRoom), "k", 1), uint64s(1))
		}, []string{"entry 1 of"}},
		"entry's key": {func(t *testing.T, f *sample) {
			f.set(t, []byte{keyEntry, 1}, nil)
			f.set(t, append(entryKey(nil, f.number(t, inRoom), "k", 1), 0), nil)
		}, []string{"the entry with the key", "the entry with the key"}},
		"entry of another key": {func(t *testing.T, f *sample) {
			f.set(t, entryKey(nil, f.number(t, inRoom), "other", 2), f.get(t, entryKey(nil, f.number(t, inRoom), "k", 2)))
		}, []string{"has another key than its record"}},
		"entry of no room": {func(t *testing.T, f *sample) {
			f.set(t, entryKey(nil, f.number(t, "$db/d"), "k", 2), f.get(t, entryKey(nil, f.number(t, inRoom), "k", 2)))
		}, []string{"is no keyed space, but has entries"}},

		"answer": {func(t *testing.T, f *sample) { f.set(t, answerKey(nil, f.answer), []byte{1}) }, []string{"the idempotency answer with the id"}},
		"answer too late": {func(t *testing.T, f *sample) {
			value := bytes.Clone(f.get(t, answerKey(nil, f.answer)))
			binary.BigEndian.PutUint32(value[len(value)-4:], 2_000_000)
			f.set(t, answerKey(nil, f.answer), value)
		}, []string{"is of 2000000 events, but the last id"}},
		"answer's key": {func(t *testing.T, f *sample) { f.set(t, []byte{keyAnswer, 1}, nil) }, []string{"of an idempotency answer cannot be read"}},

		"row":         {func(t *testing.T, f *sample) { f.set(t, rowKey("key/a"), []byte("{")) }, []string{`row "key/a": its value is no JSON`}},
		"unknown row": {func(t *testing.T, f *sample) { f.set(t, rowKey("other/a"), nil) }, []string{`row "other/a": its prefix is not registered`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSample(t)
			tt.damage(t, f)
			found := f.faults(t)
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
