package journal

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/bus"
)

// Save makes a snapshot of the files in a folder, which must not change meanwhile. progress is called with the bytes that were
// saved, and may be nil.
func Save(ctx context.Context, b *bus.Bus, dir string, meta Meta, progress func(done int64)) (Snapshot, error) {
	s := Snapshot{Meta: meta, Made: time.Now().UTC(), ID: newSnapshotID()}
	var st *storage
	err := persist(ctx, func(ctx context.Context) error {
		state, err := Look(ctx, b)
		if err != nil {
			return err
		}
		s.Birth = state.Birth
		st, err = makeStorage(ctx, b, state.Wanted)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("saving a snapshot: %w", err)
	}
	w := &partWriter{ctx: ctx, storage: st, snapshot: &s, buffer: make([]byte, 0, partBytes), progress: progress}
	sum := sha256.New()
	err = writeTar(io.MultiWriter(w, sum), dir)
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		s.Sum = sum.Sum(nil)
		err = w.putLabel()
	}
	if err != nil {
		w.remove()
		return s, fmt.Errorf("saving the snapshot of place %d: %w", s.Place, err)
	}
	return s, nil
}

// writeTar writes the files of a folder in the order of their names.
func writeTar(to io.Writer, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	t := tar.NewWriter(to)
	for _, e := range entries {
		if err := writeFile(t, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeFile(t *tar.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file: a snapshot has files only", path)
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: info.Name(), Size: info.Size(), Mode: 0o600}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// partWriter puts what is written as the parts of a snapshot.
type partWriter struct {
	ctx      context.Context
	storage  *storage
	snapshot *Snapshot
	last     uint64 // the place of the last part in the stream
	buffer   []byte
	progress func(done int64)
}

func (w *partWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		taken := min(len(p), partBytes-len(w.buffer))
		w.buffer = append(w.buffer, p[:taken]...)
		n, p = n+taken, p[taken:]
		if len(w.buffer) == partBytes {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush puts the buffer as the next part.
func (w *partWriter) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	s := w.snapshot
	err := persist(w.ctx, func(ctx context.Context) (err error) {
		w.last, err = w.storage.put(ctx, partOf(s.ID, s.Parts), w.buffer)
		return err
	})
	if err != nil {
		return fmt.Errorf("putting part %d: %w", s.Parts, err)
	}
	s.Parts++
	s.Size += int64(len(w.buffer))
	w.buffer = w.buffer[:0]
	if w.progress != nil {
		w.progress(s.Size)
	}
	return nil
}

// putLabel makes the snapshot complete. The stream takes the label only while it has the last part, so it takes none that
// arrives after the parts were removed.
func (w *partWriter) putLabel() error {
	s := w.snapshot
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing the label: %w", err)
	}
	label := w.storage.bus.Seal(sealPurpose, body)
	complete := jetstream.WithExpectLastSequenceForSubject(w.last, w.storage.bus.Subject(partOf(s.ID, s.Parts-1)))
	err = persist(w.ctx, func(ctx context.Context) error {
		_, err := w.storage.put(ctx, labelOf(s.ID), label, complete)
		return err
	})
	if err != nil {
		return fmt.Errorf("putting the label: %w", err)
	}
	return nil
}

// removeMost bounds the time to remove the parts of a snapshot that failed. What stays, Prune removes.
const removeMost = 3 * time.Second

// remove removes the parts that were put.
func (w *partWriter) remove() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), removeMost)
	defer cancel()
	_ = w.storage.remove(ctx, w.snapshot.ID) // Prune tries again
}
