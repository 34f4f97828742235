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

// pageEvents bounds a step of catching up; so does the limit of bytes, as pages are handed out
// whole: 256 events of the greatest size are 16 MiB for a moment, under the budget of all replays.
const pageEvents = 256

// Fetch reads one bounded step of the log into a block of its own, which may be empty. It waits for its turn, which
// goes round by the owner of ctx: all catching up shares one budget.
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
	if len(k.marks) >= keptLeast && len(s.members.view.spaces) == 1 { // of several, what was told of gaps is each one's own
		b.mu.Lock()
		defer b.mu.Unlock()
		b.kept.add(k)
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
	if err := s.tellGap(k, page.Removed); err != nil {
		return err
	}
	for i := range page.Events {
		e := &page.Events[i]
		if e.ID <= k.reached {
			continue
		}
		if len(k.Bytes) >= limit {
			return nil // the rest of the page is read again
		}
		if !s.members.view.chosen(e) {
			k.reached = e.ID
			continue
		}
		k.addRead(e, s.broker.log.Clock().Stamp(e.ID), s.broker.options.RetryEvent)
		s.broker.Stats.Replayed.Add(1)
	}
	k.reached = max(k.reached, page.Reached)
	return nil
}

// tellGap adds a gap where something behind the cursor was removed. In one space all up to there was, so the cursor
// goes on from there. Of several spaces only some have lost something: the cursor stays where it is, so that what
// the others keep is not skipped, and the same is not told twice.
func (s *Subscriber) tellGap(k *Block, removed uint64) error {
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

// fetchKeyed reads what a space of keyed events retains behind the cursor, in order of numbers: a compact of late stands
// before the entries that it left. As that is no order of ids, only the last of them moves the cursor, over all.
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
		k.finish(at, mark{id: max(s.after, moves)})
		s.broker.Stats.Replayed.Add(1)
	}
	k.reached = max(k.reached, position)
	return nil
}

// ErrLarge is the error of Retained where there is more than was asked for.
var ErrLarge = errors.New("the space retains more than that")

// Retained is what a space of keyed events retains, in order of numbers, of one key where that is not nil, and the position
// that it is as of: at most so many bytes, else ErrLarge. It waits for its turn, as Fetch does.
func (b *Broker) Retained(ctx context.Context, space string, key *string, most int) (entries []eventlog.Event, position uint64, err error) {
	turn, err := b.replays.Take(ctx, 1)
	if err != nil {
		return nil, 0, err
	}
	defer turn.Release()
	return b.retained(ctx, space, key, 0, most)
}

// retained is Retained behind an id, for who has the turn.
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

// oldest is the oldest retained id of the view's spaces, 0 where there is none.
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

// Read is one bounded step of a reader of the log: see eventlog.Log. It waits for its turn, as Fetch does.
func (b *Broker) Read(ctx context.Context, q *eventlog.Query, after uint64, limit int) (eventlog.Page, error) {
	turn, err := b.replays.Take(ctx, 1)
	if err != nil {
		return eventlog.Page{}, err
	}
	defer turn.Release()
	return b.log.Read(ctx, q, after, limit)
}

// page reads one step of every space of the view and merges them: what lies behind the space that came the
// least far is read again. Removed is the highest of them all. A step of many spaces reads about as much as of one.
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
