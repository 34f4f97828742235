package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"sluice/store/eventlog"
)

// pageEvents is the largest number of events in one step. A page is read whole, so with the largest events it takes 16 MiB
// for a moment. Options.Replays limits the number of steps at the same time.
const pageEvents = 256

// Fetch reads one bounded step of the log into a new block, which may be empty. It waits for its turn: all subscribers that
// catch up share Options.Replays, and the owners (of ctx) take turns.
func (s *Subscriber) Fetch(ctx context.Context, limit int) (*Block, error) {
	b := s.broker
	turn, err := b.replays.Take(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer turn.Release()
	k := &Block{}
	k.reset(s)
	if err := s.fetch(ctx, k, limit); err != nil {
		return nil, fmt.Errorf("reading on after %d: %w", s.after, err)
	}
	// With several spaces, a block depends on the gaps that this subscriber already got (s.lost), so it serves no other.
	if len(k.frameEnds) >= minRecent && len(s.members.view.spaces) == 1 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.recent.add(k)
	}
	return k, nil
}

func (s *Subscriber) fetch(ctx context.Context, k *Block, limit int) error {
	if v := s.members.view; v.form.encoder != nil && len(v.spaces) == 1 && eventlog.IsKeyed(v.spaces[0]) {
		return s.fetchKeyed(ctx, k, v.spaces[0])
	}
	page, err := s.page(ctx)
	if err != nil {
		return err
	}
	if err := s.addGap(k, page.Removed); err != nil {
		return err
	}
	for i := range page.Events {
		e := &page.Events[i]
		if e.ID <= k.reached { // before the gap
			continue
		}
		if len(k.Bytes) >= limit {
			return nil // the next step reads the rest of the page again
		}
		if !s.members.view.chosen(e) || !k.gives(s, e.Except()) {
			k.reached = e.ID
			continue
		}
		k.addRead(e, s.broker.log.Clock().Stamp(e.ID), s.broker.options.RetryEvent)
		s.broker.Stats.Replayed.Add(1)
	}
	k.reached = max(k.reached, page.Reached)
	return nil
}

// addGap adds a gap to the block if events after the cursor were removed. In a single space, everything up to removed is
// gone, so the cursor goes on from there. With several spaces, the others may still have events before that: the cursor
// stays where it is, and lost prevents a second gap for the same events.
func (s *Subscriber) addGap(k *Block, removed uint64) error {
	if removed <= max(s.after, s.lost) {
		return nil
	}
	oldest, err := s.oldest()
	if err != nil {
		return err
	}
	at := removed
	if len(s.members.view.spaces) > 1 {
		at, s.lost = s.after, removed
	}
	k.addGap(at, strconv.FormatUint(s.after, 10), oldest)
	return nil
}

// fetchKeyed reads the entries after the cursor that a keyed space retains, in the order of their numbers. A compact takes
// the number of the entries that it replaces, so it comes before entries with lower ids. As this is not the order of
// ids, the cursor can move only over all of them: only the last has a position.
func (s *Subscriber) fetchKeyed(ctx context.Context, k *Block, space string) error {
	entries, position, err := s.broker.retained(ctx, space, nil, s.after, math.MaxInt)
	if err != nil {
		return err
	}
	k.whole = true
	entries = slices.DeleteFunc(entries, func(e eventlog.Event) bool { return !s.members.view.match(&e) })
	for i := range entries {
		moves := uint64(0)
		if i == len(entries)-1 {
			moves = position
		}
		at := k.begin()
		k.Bytes = k.view.form.replayed(k.Bytes, &entries[i], moves)
		k.finish(at, frameEnd{id: max(s.after, moves)})
		s.broker.Stats.Replayed.Add(1)
	}
	k.reached = max(k.reached, position)
	return nil
}

// ErrLarge is the error of Retained if the space retains more than the limit.
var ErrLarge = errors.New("the space retains more than that")

// Retained returns the entries that a keyed space retains, in the order of their numbers, and the position at which this
// was so. If key is not nil, it returns only the entries of that key. If they are larger than most bytes, it returns
// ErrLarge. It waits for its turn, as Fetch does.
func (b *Broker) Retained(ctx context.Context, space string, key *string, most int) (entries []eventlog.Event, position uint64, err error) {
	turn, err := b.replays.Take(ctx, 1)
	if err != nil {
		return nil, 0, err
	}
	defer turn.Release()
	return b.retained(ctx, space, key, 0, most)
}

// retained is Retained for the entries after an id. The caller has the turn.
func (b *Broker) retained(ctx context.Context, space string, key *string, after uint64, most int) (entries []eventlog.Event, position uint64, err error) {
	position, err = b.log.Keyed(ctx, space, key, func(e eventlog.Event) error {
		if e.ID <= after {
			return nil
		}
		if most -= e.Size(); most < 0 {
			return ErrLarge
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	slices.SortStableFunc(entries, func(a, b eventlog.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return entries, position, nil
}

// oldest returns the oldest retained id of the view's spaces, or 0 if they are empty.
func (s *Subscriber) oldest() (uint64, error) {
	oldest := uint64(0)
	for _, space := range s.members.view.spaces {
		state, err := s.broker.log.State(space)
		if err != nil {
			return 0, err
		}
		if state.Oldest != 0 && (oldest == 0 || state.Oldest < oldest) {
			oldest = state.Oldest
		}
	}
	return oldest, nil
}

// Read calls eventlog.Log.Read for one bounded step. It waits for its turn, as Fetch does.
func (b *Broker) Read(ctx context.Context, q *eventlog.Query, after uint64, limit int) (eventlog.Page, error) {
	turn, err := b.replays.Take(ctx, 1)
	if err != nil {
		return eventlog.Page{}, err
	}
	defer turn.Release()
	return b.log.Read(ctx, q, after, limit)
}

// page reads one step of every space of the view and merges them. It stops at the space whose step ends first; the next
// step reads the later events of the others again. Removed is the highest of all spaces. A step of many spaces reads
// about as much as one of a single space.
func (s *Subscriber) page(ctx context.Context) (eventlog.Page, error) {
	var merged eventlog.Page
	v := s.members.view
	limit := max(1, pageEvents/max(1, len(v.spaces)))
	for i, space := range v.spaces {
		q := v.query
		q.Space = space
		p, err := s.broker.log.Read(ctx, &q, s.after, limit)
		if err != nil {
			return merged, err
		}
		if i == 0 {
			merged = p
			continue
		}
		merged.Events = append(merged.Events, p.Events...)
		merged.Reached = min(merged.Reached, p.Reached)
		merged.Removed = max(merged.Removed, p.Removed)
	}
	if len(v.spaces) > 1 {
		merged.Events = slices.DeleteFunc(merged.Events, func(e eventlog.Event) bool { return e.ID > merged.Reached })
		slices.SortFunc(merged.Events, func(a, b eventlog.Event) int { return cmp.Compare(a.ID, b.ID) })
	}
	return merged, nil
}
