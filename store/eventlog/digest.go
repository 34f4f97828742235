package eventlog

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"

	"sluice/store/rows"
)

// Contents is what Digest reads of an engine besides what readers read. It shows all that is stored, whatever a clock says.
type Contents interface {
	// Stored returns how far the last commit came.
	Stored() Applied
	// Spaces returns all spaces, in order of their names.
	Spaces() []Space
	// Events calls f for each event after the floor of a space, in order. It leaves out keyed entries.
	Events(ctx context.Context, space string, f func(*Event) error) error
}

// Space describes what retention has left of a space.
type Space struct {
	Name  string
	Floor uint64 // the highest id that was cut; events that are only too old for readers are above it
	Count int64  // of the retained events and entries; may be an estimate
}

// Errors of Digest.
var (
	ErrNoContents = errors.New("this engine cannot list its contents")
	ErrMoved      = errors.New("the log was changed while its digest was computed")
)

// Digest returns a hash of an engine's logical state. Two engines that have applied the same entries have the same digest,
// however they store the state: the hash has nothing of segments, numbers of spaces and clocks, and nothing that is
// expired. An engine stores how far it came only together with a change. So compare two of them after an entry that changes
// something. progress, if not nil, gets about how many of all items are hashed.
//
// Nothing may be committed meanwhile. Digest returns ErrMoved if it notices that something was.
func Digest(ctx context.Context, engine Engine, progress func(done, total int64)) (sum [sha256.Size]byte, err error) {
	c, ok := engine.(Contents)
	if !ok {
		return sum, ErrNoContents
	}
	stored := c.Stored()
	h := sha256.New()
	d := &digester{to: bufio.NewWriterSize(h, 64<<10), hash: h, progress: progress, oldest: stored.Last}
	d.numbers(stored.Place, stored.At, stored.Last)
	runs := engine.Runs()
	d.numbers(uint64(len(runs)))
	for _, r := range runs {
		d.numbers(r.Recovered, r.Start)
	}
	if err := errors.Join(d.spaces(ctx, engine, c), d.rows(ctx, engine), d.answers(engine, stored.At)); err != nil {
		return sum, fmt.Errorf("computing a digest: %w", err)
	}
	d.text(string(engine.Clock().marks.Load().since(d.oldest).bytes()))
	if c.Stored() != stored {
		return sum, ErrMoved
	}
	return d.sum(), nil
}

// digester is one Digest under way. Every item begins with its kind, and every text with its length, so two different
// states never give the same input.
type digester struct {
	to          *bufio.Writer
	hash        hash.Hash
	oldest      uint64 // the lowest id of what is retained
	progress    func(done, total int64)
	done, total int64
}

// The kinds of items.
const (
	digestSpace = iota + 1
	digestEvent
	digestEntry
	digestRow
	digestAnswer
)

// progressEvery is the number of items between two calls of progress.
const progressEvery = 1000

// item counts an item.
func (d *digester) item(kind uint64) {
	d.numbers(kind)
	d.done++
	d.total = max(d.total, d.done)
	if d.progress != nil && d.done%progressEvery == 0 {
		d.progress(d.done, d.total)
	}
}

func (d *digester) spaces(ctx context.Context, engine Engine, c Contents) error {
	spaces := c.Spaces()
	for _, s := range spaces {
		d.total += s.Count
	}
	for _, s := range spaces {
		d.item(digestSpace)
		d.text(s.Name)
		d.numbers(s.Floor)
		err := c.Events(ctx, s.Name, func(e *Event) error {
			d.event(digestEvent, e)
			return nil
		})
		if err != nil {
			return err
		}
		_, err = engine.Keyed(ctx, s.Name, nil, func(e Event) error {
			d.event(digestEntry, &e)
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *digester) event(kind uint64, e *Event) {
	d.item(kind)
	d.oldest = min(d.oldest, e.ID)
	d.numbers(e.ID, uint64(e.Op), e.Seq)
	for _, text := range [...]string{e.Space, e.Name, e.Collection, e.Stream, e.Key} {
		d.text(text)
	}
	d.bytes(e.Data)
	d.bytes(e.Meta)
}

func (d *digester) rows(ctx context.Context, engine Engine) error {
	return engine.Rows("", func(r Row) error {
		if strings.HasPrefix(r.Key, rows.Index) || strings.HasPrefix(r.Key, rows.Indexed) {
			return ctx.Err() // each process has the indexes of its own settings
		}
		d.item(digestRow)
		d.text(r.Key)
		d.bytes(r.Value)
		return ctx.Err()
	})
}

func (d *digester) answers(engine Engine, at uint64) error {
	return engine.Answers(expiredAnswers(at)+1, func(a Answer) {
		d.item(digestAnswer)
		d.numbers(a.First, uint64(a.Count))
		d.bytes(a.Key[:])
		d.bytes(a.Owner[:])
		d.bytes(a.Body[:])
	})
}

func (d *digester) numbers(numbers ...uint64) {
	for _, n := range numbers {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], n)
		_, _ = d.to.Write(b[:]) // a hash returns no errors
	}
}

func (d *digester) bytes(b []byte) {
	d.numbers(uint64(len(b)))
	_, _ = d.to.Write(b)
}

func (d *digester) text(s string) {
	d.numbers(uint64(len(s)))
	_, _ = d.to.WriteString(s)
}

func (d *digester) sum() [sha256.Size]byte {
	_ = d.to.Flush()
	if d.progress != nil {
		d.progress(d.done, d.done)
	}
	return [sha256.Size]byte(d.hash.Sum(nil))
}
