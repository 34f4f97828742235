package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"sluice/broker/eventlog"
)

// pageEvents bounds a step of catching up; so does the limit of bytes, as pages are handed out
// whole: 256 events of the greatest size are 16 MiB for a moment, under the budget of all replays.
const pageEvents = 256

// Fetch reads one bounded step of the log into a block of its own, which may be empty. It waits for its
// turn: all catching up shares one budget.
func (s *Subscriber) Fetch(ctx context.Context, limit int) (*Block, error) {
	b := s.broker
	select {
	case b.replays <- struct{}{}:
		defer func() { <-b.replays }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	k := &Block{}
	k.reset(s)
	if err := s.fetch(ctx, k, limit); err != nil {
		return nil, fmt.Errorf("reading on after %d: %w", s.after, err)
	}
	if len(k.marks) >= keptLeast {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.kept.add(k)
	}
	return k, nil
}

func (s *Subscriber) fetch(ctx context.Context, k *Block, limit int) error {
	page, gaps, err := s.page(ctx)
	if err != nil {
		return err
	}
	for i := range page.Events {
		e := &page.Events[i]
		if gaps, err = s.tell(k, gaps, e.ID); err != nil {
			return err
		}
		if e.ID <= k.reached {
			continue
		}
		if len(k.Bytes) >= limit {
			return nil // the rest of the page is read again
		}
		k.addRead(e, s.broker.options.RetryEvent)
		s.broker.Stats.Replayed.Add(1)
	}
	if _, err = s.tell(k, gaps, page.Reached+1); err != nil {
		return err
	}
	k.reached = max(k.reached, page.Reached)
	return nil
}

// tell adds the gaps that lie before an id.
func (s *Subscriber) tell(k *Block, gaps []uint64, before uint64) ([]uint64, error) {
	for len(gaps) > 0 && gaps[0] < before {
		oldest, err := s.oldest()
		if err != nil {
			return gaps, err
		}
		k.addGap(gaps[0], strconv.FormatUint(max(s.after, k.reached), 10), oldest)
		gaps = gaps[1:]
	}
	return gaps, nil
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

// page reads one step of every space of the view and merges them: what lies behind the space that came the
// least far is read again. Gaps are the highest removed ids of those that have lost something behind the
// cursor, each a place of its own among the events: what the other spaces have before it is not skipped.
func (s *Subscriber) page(ctx context.Context) (merged eventlog.Page, gaps []uint64, err error) {
	v := s.members.view
	for i, space := range v.spaces {
		q := v.query
		q.Space = space
		p, err := s.broker.log.Read(ctx, &q, s.after, pageEvents)
		if err != nil {
			return merged, nil, err
		}
		if p.Removed > s.after {
			gaps = append(gaps, p.Removed)
		}
		if i == 0 {
			merged = p
			continue
		}
		merged.Events = append(merged.Events, p.Events...)
		merged.Reached = min(merged.Reached, p.Reached)
	}
	if len(v.spaces) > 1 {
		merged.Events = slices.DeleteFunc(merged.Events, func(e eventlog.Event) bool { return e.ID > merged.Reached })
		slices.SortFunc(merged.Events, func(a, b eventlog.Event) int { return cmp.Compare(a.ID, b.ID) })
		slices.Sort(gaps)
		gaps = slices.DeleteFunc(slices.Compact(gaps), func(id uint64) bool { return id > merged.Reached })
	}
	return merged, gaps, nil
}
