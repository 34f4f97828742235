package subscriptions

import (
	"context"
	"fmt"
	"time"

	"sluice/store/eventlog"
	"sluice/store/panics"
	"sluice/store/rows"
)

// batch is the most names that one commit renews or removes.
const batch = 500

// lookPause is the least time between two looks: each goes through all names.
const lookPause = time.Second

// run looks after the names, until Close.
func (s *Store) run() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.running.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
		s.look()
		select {
		case <-s.running.Done():
			return
		case <-time.After(lookPause):
		}
	}
}

// look renews the names that this gateway has used since the last look, if they end before long, and removes those that have
// ended.
func (s *Store) look() {
	defer panics.Contain(s.o.Logger, "renewing names of subscriptions")
	renew, remove := s.due()
	for _, step := range []struct {
		names []string
		add   func(*eventlog.Request, string, []byte, *lifeRow) error
	}{{renew, s.renewOld}, {remove, s.removeOld}} {
		if err := s.change(s.running, step.names, step.add); err != nil && s.running.Err() == nil {
			s.o.Logger.Error("renewing and removing names of subscriptions", "cause", err)
		}
	}
}

// due returns the names to renew and those to remove.
func (s *Store) due() (renew, remove []string) {
	now, soon := s.from(0), s.from(renewBelow)
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, one := range s.of {
		switch {
		case one.used || s.open[name] > 0:
			if one.until < soon {
				renew = append(renew, name)
			} else {
				one.used = false
			}
		case one.until+uint64(removeAfter.Microseconds()) <= now:
			remove = append(remove, name)
		}
	}
	return renew, remove
}

// change stores what add makes of names, as their rows are now.
func (s *Store) change(ctx context.Context, names []string, add func(*eventlog.Request, string, []byte, *lifeRow) error) error {
	for len(names) > 0 {
		some := names[:min(batch, len(names))]
		names = names[len(some):]
		err := s.log.Retry(ctx, func() error {
			r := &eventlog.Request{}
			for _, name := range some {
				was, err := s.log.Row(rows.Subscription + name)
				if err != nil {
					return fmt.Errorf("reading the name of a subscription: %w", err)
				}
				row, _, err := readLife(was)
				if err != nil || row == nil {
					continue // another gateway has removed it, or a newer one has written it
				}
				if err := add(r, name, was, row); err != nil {
					return err
				}
			}
			if len(r.Rows) == 0 {
				return nil
			}
			return s.commit(ctx, r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// renewOld is renew, unless another gateway has just done so.
func (s *Store) renewOld(r *eventlog.Request, name string, was []byte, row *lifeRow) error {
	if row.Until >= s.from(renewBelow) {
		return nil
	}
	return s.renew(r, name, was, row)
}

// removeOld removes a name, unless another gateway has just renewed it.
func (s *Store) removeOld(r *eventlog.Request, name string, was []byte, row *lifeRow) error {
	if row.Until+uint64(removeAfter.Microseconds()) > s.from(0) {
		return nil
	}
	key := rows.Subscription + name
	r.Rows = append(r.Rows, eventlog.Row{Key: rows.Channels + name}, eventlog.Row{Key: key})
	r.If = append(r.If, eventlog.RowIs(key, was))
	return nil
}
