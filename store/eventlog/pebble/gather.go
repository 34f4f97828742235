package pebble

import (
	"bytes"
	"encoding/binary"
	"slices"

	"sluice/channel"
)

// prefixes returns the index keys, without the id, of all channels or the stream that the query can match in a segment.
// It returns false if they are too many, or if the query matches everything.
func (r *reader) prefixes(s *segment) ([][]byte, bool) {
	if r.query.Stream != "" {
		return [][]byte{streamKey(nil, r.space, s.number, r.query.Stream)}, true
	}
	var found [][]byte
	seeks := 0
	for p := range r.query.Channels.Patterns() {
		if p.Space != r.query.Space {
			continue
		}
		if p.Left.Kind == channel.Open && (p.Right.Kind == channel.Open || p.Right.Kind == channel.Some) {
			return nil, false
		}
		if p.Left.Kind == channel.Exact && p.Right.Kind == channel.Exact {
			found = append(found, channelKey(nil, r.space, s.number, channel.Channel{Left: p.Left.Text, Collection: p.Right.Text}))
		} else if !r.skipScan(s, p, &found, &seeks) {
			return nil, false
		}
		if len(found) > r.bounds.seeks {
			return nil, false
		}
	}
	return found, true
}

// skipScan finds the channels that a pattern with wildcards matches, with one seek for each.
func (r *reader) skipScan(s *segment, p channel.Pattern, found *[][]byte, seeks *int) bool {
	base := segmentKey(nil, keyChannel, r.space, s.number)
	within := base
	switch p.Left.Kind {
	case channel.Exact:
		within = appendText(bytes.Clone(base), p.Left.Text)
	case channel.Prefix:
		within = appendOpenText(bytes.Clone(base), p.Left.Text)
	}
	from := within
	for {
		if *seeks++; *seeks > r.bounds.seeks {
			return false
		}
		if !r.iter.SeekGE(from) || !bytes.HasPrefix(r.iter.Key(), within) {
			return r.iter.Error() == nil
		}
		left, rest, ok := cutText(r.iter.Key()[len(base):])
		if !ok {
			return false
		}
		right, _, ok := cutText(rest)
		if !ok {
			return false
		}
		c := channel.Channel{Space: r.query.Space, Left: left, Collection: right}
		key := channelKey(nil, r.space, s.number, c)
		from = past(key)
		if p.Match(c) {
			*found = append(*found, key)
		}
		from = leap(from, appendText(bytes.Clone(base), left), p.Right, right)
	}
}

// leap returns the next key that the pattern's right side can match, under this left side or the next one.
func leap(from, left []byte, side channel.Side, right string) []byte {
	var wanted []byte
	switch side.Kind {
	case channel.Exact:
		wanted = appendText(bytes.Clone(left), side.Text)
	case channel.Prefix:
		wanted = appendOpenText(bytes.Clone(left), side.Text)
	default:
		return from
	}
	switch {
	case bytes.Compare(from, wanted) <= 0:
		return wanted
	case right > side.Text && (side.Kind == channel.Exact || !bytes.HasPrefix([]byte(right), []byte(side.Text))),
		side.Kind == channel.Exact && right == side.Text:
		return past(left)
	}
	return from
}

// gather collects ids after Reached, in order, up to a horizon: to, or where the ids of one channel were cut off. Up to
// the horizon the ids are complete. gather stops when it finds that matches are dense; if the query matches much, that
// is after a few hundred ids.
func (r *reader) gather(prefixes [][]byte, s *segment, to uint64) (ids []uint64, horizon uint64, dense bool, err error) {
	horizon = to
	most := min(r.bounds.ids, max(16, r.limit-len(r.page.Events)))
	var key []byte
	for _, prefix := range prefixes {
		n := 0
		key = appendUint64(append(key[:0], prefix...), r.page.Reached+1)
		for ok := r.iter.SeekGE(key); ok && bytes.HasPrefix(r.iter.Key(), prefix); ok = r.iter.Next() {
			id := binary.BigEndian.Uint64(r.iter.Key()[len(prefix):])
			if id > horizon {
				break
			}
			ids = append(ids, id)
			if n++; n == most {
				horizon = id
				ids = slices.DeleteFunc(ids, func(id uint64) bool { return id > horizon })
				break
			}
		}
		if err := r.iter.Error(); err != nil {
			return nil, 0, false, err
		}
		if len(ids)*r.bounds.sparse > r.estimate(s, horizon) {
			return nil, 0, true, nil
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), horizon, false, nil
}

// estimate is the number of records up to the horizon, if they are spread evenly.
func (r *reader) estimate(s *segment, horizon uint64) int {
	from := max(s.first, r.page.Reached+1)
	if horizon < from {
		return 0
	}
	return int(float64(s.count) * float64(horizon-from+1) / float64(s.last-s.first+1))
}
