package broker

import (
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
	page, err := s.page(ctx)
	if err != nil {
		return err
	}
	if page.Removed > s.after {
		oldest, err := s.oldest()
		if err != nil {
			return err
		}
		k.addGap(page.Removed, strconv.FormatUint(s.after, 10), oldest)
	}
	for i := range page.Events {
		e := &page.Events[i]
		if e.ID <= k.reached {
			continue
		}
		if len(k.Bytes) >= limit {
			return nil // the rest of the page is read again
		}
		k.addRead(e, s.broker.options.RetryEvent)
		s.broker.Stats.Replayed.Add(1)
	}
	k.reached = max(k.reached, page.Reached)
	return nil
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

// page reads one step of every space of the view and merges them: what lies behind the space that
// came the least far is read again. A gap in one space is told once for all.
func (s *Subscriber) page(ctx context.Context) (eventlog.Page, error) {
	var merged eventlog.Page
	v := s.members.view
	for i, space := range v.spaces {
		q := v.query
		q.Space = space
		p, err := s.broker.log.Read(ctx, &q, s.after, pageEvents)
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
		slices.SortFunc(merged.Events, func(a, b eventlog.Event) int { return int(int64(a.ID) - int64(b.ID)) })
	}
	return merged, nil
}
