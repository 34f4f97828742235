package journal

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/bus"
)

// Load writes the files of a snapshot into a new folder. The folder is there only if all of the snapshot is in it. progress is
// called with the bytes that were read, and may be nil.
func Load(ctx context.Context, b *bus.Bus, s Snapshot, into string, progress func(done, total int64)) error {
	var st *storage
	err := persist(ctx, func(ctx context.Context) (err error) {
		st, err = openStorage(ctx, b)
		return err
	})
	if err != nil {
		return err
	}
	part := into + ".part"
	if err := os.RemoveAll(part); err != nil { // of a try that was interrupted
		return fmt.Errorf("removing what an earlier try has left: %w", err)
	}
	r := &partReader{ctx: ctx, storage: st, snapshot: &s, sum: sha256.New(), progress: progress}
	if err := unpack(r, part, into); err != nil {
		return errors.Join(fmt.Errorf("loading the snapshot of place %d: %w", s.Place, err), os.RemoveAll(part))
	}
	return nil
}

func unpack(r *partReader, part, into string) error {
	if err := os.MkdirAll(part, 0o700); err != nil {
		return err
	}
	if err := readTar(r, part, r.snapshot.Size); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // the end of the tar
		return err
	}
	if !bytes.Equal(r.sum.Sum(nil), r.snapshot.Sum) {
		return fmt.Errorf("%w: its sum is wrong", ErrDamaged)
	}
	if err := syncFolder(part); err != nil {
		return err
	}
	if err := os.Rename(part, into); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(into))
}

// readTar writes the files of a tar into a folder. Their sizes together are at most most.
func readTar(from io.Reader, dir string, most int64) error {
	for t := tar.NewReader(from); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return tarError(err)
		}
		if most -= h.Size; most < 0 {
			return fmt.Errorf("%w: its files are larger than the snapshot", ErrDamaged)
		}
		if err := readFile(t, h, dir); err != nil {
			return err
		}
	}
}

// tarError tells a tar that is wrong from one that cannot be read.
func tarError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// readFile writes one file. Only a plain name is taken: no path can lead out of the folder.
func readFile(t *tar.Reader, h *tar.Header, dir string) error {
	if h.Typeflag != tar.TypeReg || h.Name != filepath.Base(h.Name) || !filepath.IsLocal(h.Name) || h.Name == "." || strings.ContainsAny(h.Name, `/\`) {
		return fmt.Errorf("%w: %q is no plain file", ErrDamaged, h.Name)
	}
	f, err := os.OpenFile(filepath.Join(dir, h.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %q is in it twice", ErrDamaged, h.Name)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, t)
	if err != nil {
		err = tarError(err)
	} else {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// partReader reads the parts of a snapshot, one after the other.
type partReader struct {
	ctx      context.Context
	storage  *storage
	snapshot *Snapshot
	sum      hash.Hash
	progress func(done, total int64)

	next int
	done int64
	rest []byte // of the part
}

func (r *partReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.next == r.snapshot.Parts {
			return 0, io.EOF
		}
		if err := r.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// fetch gets the next part.
func (r *partReader) fetch() error {
	var part []byte
	err := persist(r.ctx, func(ctx context.Context) (err error) {
		part, err = r.part(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("getting part %d of %d: %w", r.next, r.snapshot.Parts, err)
	}
	r.next++
	r.done += int64(len(part))
	r.rest = part
	_, _ = r.sum.Write(part) // a hash returns no errors
	if r.progress != nil {
		r.progress(r.done, r.snapshot.Size)
	}
	return nil
}

// part tries to get the next part.
func (r *partReader) part(ctx context.Context) ([]byte, error) {
	subject := partOf(r.snapshot.ID, r.next)
	m, err := r.storage.get(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		if there, lerr := r.storage.list(ctx, subject); lerr == nil && len(there) == 0 {
			err = fmt.Errorf("%w: the part is missing. If the snapshot was removed meanwhile, there is a newer one: try again", ErrDamaged)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(m.Data) == 0 || len(m.Data) > partBytes {
		return nil, fmt.Errorf("%w: the part has %d bytes", ErrDamaged, len(m.Data))
	}
	return m.Data, nil
}

// syncFolder makes the names in a folder safe.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = f.Sync() // some file systems cannot sync folders
	return f.Close()
}
