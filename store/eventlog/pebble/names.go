package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// namesLooked bounds the names that one call of Names looks at: of those in an old segment, all entries may be expired.
const namesLooked = 2000

// Names lists the names of streams. Each segment has an index of its own, so the call goes through all of them at once, name by
// name.
func (e *Engine) Names(ctx context.Context, space, prefix, after string, limit int) (found []eventlog.StreamState, next string, err error) {
	if err := e.begin(); err != nil {
		return nil, "", err
	}
	defer e.using.RUnlock()
	number, known := e.number(space)
	if !known {
		return nil, "", nil
	}
	r := &reader{engine: e, query: &eventlog.Query{Space: space}, space: number}
	if r.iter, err = e.db.NewIter(nil); err != nil {
		return nil, "", fmt.Errorf("listing streams: %w", err)
	}
	defer func() { err = errors.Join(err, r.iter.Close()) }()
	segments, removed := e.segments(space)
	floor, err := r.floor(removed)
	if err != nil {
		return nil, "", err
	}
	n := nameScan{iter: r.iter, space: number, floor: floor, prefix: prefix}
	for _, s := range segments {
		if s.last > floor {
			n.parts = append(n.parts, namesPart{number: s.number})
		}
	}
	n.start(after)
	for looked := 0; ; looked++ {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		name, ok := n.least()
		if err := errors.Join(n.err, r.iter.Error()); err != nil {
			return nil, "", fmt.Errorf("listing streams: %w", err)
		}
		switch {
		case !ok:
			return found, "", nil
		case len(found) == limit || looked == namesLooked:
			return found, after, nil
		}
		if one := n.take(name); one.Count > 0 {
			found = append(found, one)
		}
		after = name
	}
}

// nameScan is one call of Names.
type nameScan struct {
	iter   *pebble.Iterator
	space  uint32
	floor  uint64 // entries up to it are expired
	prefix string
	parts  []namesPart
	err    error
}

// namesPart is the index of one segment.
type namesPart struct {
	number uint32
	name   string // the next one
	ends   bool   // there is none
}

func (n *nameScan) start(after string) {
	for i := range n.parts {
		base := segmentKey(nil, keyStream, n.space, n.parts[i].number)
		from := appendOpenText(bytes.Clone(base), n.prefix)
		if after >= n.prefix && after != "" {
			from = past(appendText(bytes.Clone(base), after))
		}
		n.seek(&n.parts[i], from)
	}
}

// seek finds the first name of a part at or after a key.
func (n *nameScan) seek(p *namesPart, from []byte) {
	base := segmentKey(nil, keyStream, n.space, p.number)
	if p.ends = !n.iter.SeekGE(from) || !bytes.HasPrefix(n.iter.Key(), appendOpenText(bytes.Clone(base), n.prefix)); p.ends {
		return
	}
	name, rest, whole := cutText(n.iter.Key()[len(base):])
	if !whole || len(rest) != 8 {
		n.err, p.ends = errRecord, true
	}
	p.name = name
}

func (n *nameScan) least() (name string, ok bool) {
	for i := range n.parts {
		if p := &n.parts[i]; !p.ends && (!ok || p.name < name) {
			name, ok = p.name, true
		}
	}
	return name, ok
}

// take describes a stream, and moves every part that has it on to its next name.
func (n *nameScan) take(name string) eventlog.StreamState {
	one := eventlog.StreamState{Stream: name}
	for i := range n.parts {
		p := &n.parts[i]
		if p.ends || p.name != name {
			continue
		}
		key := streamKey(nil, n.space, p.number, name)
		end := past(key)
		for ok := n.iter.SeekGE(appendUint64(bytes.Clone(key), n.floor+1)); ok && bytes.HasPrefix(n.iter.Key(), key) && one.Count < eventlog.MostCounted; ok = n.iter.Next() {
			if one.Count++; one.First == 0 {
				one.First = binary.BigEndian.Uint64(n.iter.Key()[len(key):])
			}
		}
		if n.iter.SeekLT(end) && bytes.HasPrefix(n.iter.Key(), key) {
			one.Last = binary.BigEndian.Uint64(n.iter.Key()[len(key):])
		}
		n.seek(p, end)
	}
	return one
}
