package journal

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/bus"
)

// snapshotsOf opens the stream of the snapshots.
func snapshotsOf(t *testing.T, ctx context.Context, b *bus.Bus) *storage {
	t.Helper()
	st, err := openStorage(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// expectOnly expects that the stream has the messages of these snapshots, the one of looks, and as many others.
func expectOnly(t *testing.T, ctx context.Context, b *bus.Bus, snapshots []Snapshot, others int) {
	t.Helper()
	info, err := snapshotsOf(t, ctx, b).stream.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	messages, bytes := 1+others, int64(0)
	for _, s := range snapshots {
		messages += s.Parts + 1
		bytes += s.Size
	}
	// A message has its subject beside what is in it, and a label has some hundred bytes.
	if got := info.State; got.Msgs != uint64(messages) || int64(got.Bytes) < bytes || int64(got.Bytes) > bytes+int64(messages)*1000 {
		t.Errorf("the stream has %d messages and %d bytes, not %d and about %d", got.Msgs, got.Bytes, messages, bytes)
	}
}

// Prune keeps the newest snapshots, and those of an earlier journal go. Of what goes, nothing stays behind.
func TestSnapshotsArePruned(t *testing.T) {
	t.Parallel()
	b, ctx := testJournal(t, 1)
	dir := testFolder(t, map[string]int{"a": 3 << 20})
	for _, place := range []uint64{5, 30, 4, 100} {
		save(t, ctx, b, dir, place)
	}
	again := save(t, ctx, b, dir, 100) // as by two nodes at once
	kept, err := Prune(ctx, b, 2)
	if err != nil || len(kept) != 2 || kept[0].Place != 100 || kept[1].Place != 30 || kept[0].ID != again.ID {
		t.Fatalf("kept %v: %v", places(kept), err)
	}
	if all := listAll(t, ctx, b); !slices.Equal(places(all), places(kept)) {
		t.Fatalf("listed %v", places(all))
	}
	for _, s := range kept {
		if err := Load(ctx, b, s, filepath.Join(t.TempDir(), "log"), nil); err != nil {
			t.Fatal(err)
		}
	}
	expectOnly(t, ctx, b, kept, 0)
	for place := range uint64(5) {
		save(t, ctx, b, dir, 101+place)
		if kept, err = Prune(ctx, b, 2); err != nil || len(kept) != 2 {
			t.Fatalf("kept %v: %v", places(kept), err)
		}
		expectOnly(t, ctx, b, kept, 0)
	}
	js, _ := jetstream.New(b.Conn())
	if err := js.DeleteStream(ctx, stream(b)); err != nil {
		t.Fatal(err)
	}
	if _, err := List(ctx, b); !errors.Is(err, ErrNone) {
		t.Fatalf("without a journal: %v", err)
	}
	if _, _, err := Create(ctx, b, CreateOptions{Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	if all := listAll(t, ctx, b); len(all) != 0 {
		t.Fatalf("snapshots of an earlier journal are listed: %v", places(all))
	}
	save(t, ctx, b, dir, 1)
	if kept, err = Prune(ctx, b, 2); err != nil || len(kept) != 1 {
		t.Fatalf("kept %v: %v", places(kept), err)
	}
	expectOnly(t, ctx, b, kept, 0)
}

// Parts without a label go when the last of them is old. Until then, they may be of a snapshot under way.
func TestOrphansArePruned(t *testing.T) {
	t.Parallel()
	b, ctx := testJournal(t, 1)
	whole := save(t, ctx, b, testFolder(t, map[string]int{"a": 1000}), 3)
	st := snapshotsOf(t, ctx, b)
	put := func(subject string, body string) {
		t.Helper()
		if _, err := st.put(ctx, subject, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	put(partOf("AAAAAAAAAAAAAAAA", 0), "of a node that was killed")
	put(partOf("AAAAAAAAAAAAAAAA", 1), "of a node that was killed")
	put(partOf("BBBBBBBBBBBBBBBB", 70), "that came late")
	put(labelOf("CCCCCCCCCCCCCCCC"), "of a stranger")
	put(partOf("*", 0), "of a stranger, who wants all to be removed")
	put(labelOf("DDDDDDDDDDDDDDDD"), string(b.Seal(sealPurpose, []byte("no label"))))
	if _, err := Prune(ctx, b, 2); err != nil {
		t.Fatal(err)
	}
	expectOnly(t, ctx, b, []Snapshot{whole}, 6)
	begun := time.Now()
	put(partOf("AAAAAAAAAAAAAAAA", 2), "of a node that was killed") // it goes on
	if kept, err := prune(ctx, b, 2, begun); err != nil || len(kept) != 1 {
		t.Fatalf("kept %v: %v", places(kept), err)
	}
	expectOnly(t, ctx, b, []Snapshot{whole}, 4)
	if kept, err := prune(ctx, b, 2, time.Now().Add(time.Second)); err != nil || len(kept) != 1 {
		t.Fatalf("kept %v: %v", places(kept), err)
	}
	expectOnly(t, ctx, b, []Snapshot{whole}, 1) // that of the stranger
}

// A snapshot whose parts were not all put is not there, and what it has put is removed.
func TestUnfinishedSnapshotIsNotThere(t *testing.T) {
	t.Parallel()
	b, ctx := testJournal(t, 1)
	dir := testFolder(t, map[string]int{"a": 3 << 20})
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o700); err != nil { // the second name in the tar fails
		t.Fatal(err)
	}
	if _, err := Save(ctx, b, dir, Meta{Place: 3}, nil); err == nil {
		t.Fatal("a folder in the folder was saved")
	}
	if all := listAll(t, ctx, b); len(all) != 0 {
		t.Fatalf("listed %v", places(all))
	}
	expectOnly(t, ctx, b, nil, 0)
}

// A label that comes after the parts were removed is not stored. One that comes twice is no error.
func TestLateLabel(t *testing.T) {
	t.Parallel()
	b, ctx := testJournal(t, 1)
	save(t, ctx, b, testFolder(t, map[string]int{"a": 10}), 2)
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &partWriter{ctx: short, storage: snapshotsOf(t, ctx, b), snapshot: &Snapshot{ID: newSnapshotID()}, buffer: make([]byte, 0, partBytes)}
	if _, err := w.Write(make([]byte, partBytes)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.putLabel(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.storage.remove(ctx, w.snapshot.ID); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, cancel) // it would try for longer
	if err := w.putLabel(); err == nil {
		t.Error("a label without parts is stored")
	}
	if subjects, err := w.storage.list(ctx, labelOf(w.snapshot.ID)); err != nil || len(subjects) != 0 {
		t.Errorf("%v: %v", subjects, err)
	}
}

// What was changed in the stream, or sealed with another secret, is refused, and no folder is left.
func TestChangedSnapshotIsRefused(t *testing.T) {
	t.Parallel()
	b, ctx := testJournal(t, 1)
	s := save(t, ctx, b, testFolder(t, map[string]int{"a": 3 << 20, "b": 100}), 3)
	st := snapshotsOf(t, ctx, b)
	first, err := st.get(ctx, partOf(s.ID, 0))
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(first.Data)
	changed[len(changed)/2] ^= 1
	for name, change := range map[string]func() error{
		"changed": func() error { _, err := st.put(ctx, partOf(s.ID, 0), changed); return err },
		"empty":   func() error { _, err := st.put(ctx, partOf(s.ID, 0), nil); return err },
		"large":   func() error { _, err := st.put(ctx, partOf(s.ID, 0), append(changed, 1)); return err },
		"missing": func() error {
			return st.stream.Purge(ctx, jetstream.WithPurgeSubject(b.Subject(partOf(s.ID, 0))))
		},
		"short": func() error { _, err := st.put(ctx, partOf(s.ID, 0), first.Data[1:]); return err },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		begun := time.Now()
		if err := Load(ctx, b, s, filepath.Join(dir, "log"), nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("a %s part: %v", name, err)
		}
		if time.Since(begun) > patience {
			t.Errorf("a %s part is tried again for %v", name, time.Since(begun))
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%v is left", left)
		}
	}
	stranger := connect(t, b.Conn().ConnectedUrl(), strings.Repeat("x", 32))
	if all := listAll(t, ctx, b); len(all) != 1 {
		t.Errorf("%d are listed", len(all))
	}
	if labels, err := readLabels(ctx, snapshotsOf(t, ctx, stranger)); err != nil || len(labels) != 0 {
		t.Errorf("labels with another secret's seal are read: %v, %v", labels, err)
	}
	text, err := json.Marshal(s)
	if err == nil {
		_, err = st.put(ctx, labelOf("OTHEROTHEROTHERO"), b.Seal(sealPurpose, text))
	}
	if err != nil {
		t.Fatal(err)
	}
	if labels, err := readLabels(ctx, st); err != nil || len(labels) != 1 {
		t.Errorf("a label with the ID of another snapshot is read: %v, %v", labels, err)
	}
}
