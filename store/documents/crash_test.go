package documents_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/channel"
	"sluice/store/documents"
	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// After a power cut at any moment, during writes or the building of an index, the documents are those that the events
// describe, each index has exactly their rows, and they are counted.
func TestCut(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	before := map[string][]string{"c": {"n", "t"}}
	s, log := open(t, disk, documents.Options{Indexes: before})
	defer closeLog(t, log)
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for w := range uint64(4) {
		group.Go(func() { write(ctx, t, s, rand.New(rand.NewPCG(1, w))) })
	}
	for round := range uint64(8) {
		cut := vfs.CrashCloneCfg{UnsyncedDataPercent: int(round*37) % 101, RNG: rand.New(rand.NewPCG(2, round))}
		left := disk.CrashClone(cut)
		after := map[string][]string{"c": {"n", "a.b"}} // the index on t is dropped, that on a.b built
		_, again := open(t, left, documents.Options{Indexes: after})
		if n := whole(t, again, "n", "a.b"); n == 0 && round > 4 {
			t.Error("there is nothing to compare")
		}
		cut.RNG = rand.New(rand.NewPCG(3, round))
		left = left.CrashClone(cut) // with the building cut anywhere
		closeLog(t, again)
		_, again = open(t, left, documents.Options{Indexes: before})
		whole(t, again, "n", "t")
		closeLog(t, again)
	}
}

// write changes documents, two in one commit, until it must stop.
func write(ctx context.Context, t *testing.T, s *documents.Store, r *rand.Rand) {
	for i := 0; ctx.Err() == nil; i++ {
		id := fmt.Sprintf("d%d", r.IntN(40))
		own := fields(t, fmt.Sprintf(`{"n":%d,"t":"%s%d","a":[{"b":%d}]}`, r.IntN(5), strings.Repeat("x", 300), i, i))
		switch r.IntN(4) {
		case 0, 1:
			s.Insert(ctx, "c", "ann", []documents.New{{ID: id, Fields: own}, {ID: id + "x", Fields: own}})
		case 2:
			s.Update(ctx, "c", "ann", []string{id, id + "x"}, true, func(_ string, f *documents.Fields) error {
				f.Merge(own)
				return nil
			})
		default:
			s.Remove(ctx, "c", []string{id, id + "x"}, true)
		}
	}
}

// whole compares documents, events and indexes. It returns the number of documents.
func whole(t *testing.T, log *eventlog.Log, indexes ...string) int {
	t.Helper()
	seen := map[string]string{} // by the events
	for after := uint64(0); after < log.Settled(); {
		page, err := log.Read(context.Background(), &eventlog.Query{Channels: channel.Everything()}, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			ch, _ := documents.Changes(&page.Events[i])
			for _, id := range ch.IDs {
				delete(seen, id)
			}
			for _, text := range ch.Documents {
				seen[documents.ID(text)] = string(text)
			}
		}
		after = page.Reached
	}
	entries := map[string]bool{}
	n, size := 0, 0
	for r := range rows(t, log, "document/c/") {
		n++
		size += len(r.Value)
		if id := documents.ID(r.Value); seen[id] != string(r.Value) {
			t.Errorf("%s is\n%s, and by the events it is\n%s", id, r.Value, seen[id])
		}
		for _, path := range indexes {
			f, err := query.ParseField(path)
			if err != nil {
				t.Fatal(err)
			}
			entries["index/c/"+path+"\x00"+string(f.AppendKey(nil, r.Value))+strings.TrimPrefix(r.Key, "document/c/")] = true
		}
	}
	if n != len(seen) {
		t.Errorf("there are %d documents, and %d by the events", n, len(seen))
	}
	value, err := log.Row("counted/c")
	count, at := binary.Uvarint(value)
	bytes, _ := binary.Uvarint(value[max(0, at):])
	if err != nil || count != uint64(n) || bytes != uint64(size) {
		t.Errorf("%d documents of %d bytes are counted, %v; there are %d of %d", count, bytes, err, n, size)
	}
	for r := range rows(t, log, "index/c/") {
		if !entries[r.Key] {
			t.Errorf("the entry %q is of no document", r.Key)
		}
		delete(entries, r.Key)
	}
	if len(entries) > 0 {
		t.Errorf("%d entries are missing", len(entries))
	}
	return n
}

func rows(t *testing.T, log *eventlog.Log, prefix string) func(func(eventlog.Row) bool) {
	return func(yield func(eventlog.Row) bool) {
		on := true
		err := log.Rows(prefix, func(r eventlog.Row) error {
			on = on && yield(r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
