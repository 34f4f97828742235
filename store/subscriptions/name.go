package subscriptions

import (
	"context"
	"encoding/hex"
	"fmt"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// Name returns the name of a list for an owner, which it makes or renews if necessary. It stays for Life, and for Life after
// each use. The error is ErrOwner or ErrAll if there is no room for it.
func (s *Store) Name(ctx context.Context, ownerText, list string) (name string, err error) {
	of := ownerOf(ownerText)
	name = nameOf(of, list)
	key := rows.Subscription + name
	err = s.log.Retry(ctx, func() error {
		was, err := s.log.Row(key)
		if err != nil {
			return fmt.Errorf("reading the name of a subscription: %w", err)
		}
		if was == nil {
			return s.add(ctx, name, of, list)
		}
		row, _, err := readLife(was)
		if err != nil {
			return fmt.Errorf("the row %q: %w", key, err)
		}
		if row.Until >= s.from(renewBelow) {
			return nil
		}
		r := &eventlog.Request{}
		if err := s.renew(r, name, was, row); err != nil {
			return err
		}
		return s.commit(ctx, r)
	})
	if err != nil {
		return "", err
	}
	return name, nil
}

// add stores a new name.
func (s *Store) add(ctx context.Context, name string, of owner, list string) error {
	bytes := int64(overhead + len(list))
	if err := s.reserve(of, bytes); err != nil {
		return err
	}
	defer s.giveBack(of, bytes) // put has counted it, if it was stored
	key := rows.Subscription + name
	value, err := rows.Update(nil, &lifeRow{hex.EncodeToString(of[:]), bytes, s.from(storedFor)})
	if err != nil {
		return fmt.Errorf("storing the name of a subscription: %w", err)
	}
	return s.commit(ctx, &eventlog.Request{
		Rows: []eventlog.Row{{Key: rows.Channels + name, Value: []byte(list)}, {Key: key, Value: value}},
		If:   []eventlog.Condition{eventlog.RowIs(key, nil)},
	})
}

// renew adds to a request that a name stays longer. A full disk takes it: it only replaces what is there.
func (s *Store) renew(r *eventlog.Request, name string, was []byte, row *lifeRow) error {
	key, next := rows.Subscription+name, *row
	next.Until = s.from(storedFor)
	value, err := rows.Update(was, &next)
	if err != nil {
		return fmt.Errorf("renewing the name of a subscription: %w", err)
	}
	r.Rows, r.If, r.FromReserve = append(r.Rows, eventlog.Row{Key: key, Value: value}), append(r.If, eventlog.RowIs(key, was)), true
	return nil
}

func (s *Store) commit(ctx context.Context, r *eventlog.Request) error {
	if _, err := s.log.Append(ctx, r); err != nil {
		return fmt.Errorf("storing names of subscriptions: %w", err)
	}
	return nil
}

// reserve counts bytes that an owner is about to store.
func (s *Store) reserve(of owner, bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, most, inAll := s.taken[of]+bytes, s.o.Bytes/ownerShare, s.o.Bytes
	if mine > most {
		return ErrOwner
	}
	if mine > most/fewShare {
		inAll -= s.o.Bytes / reservedShare
	}
	if s.all+bytes > inAll {
		return ErrAll
	}
	s.take(of, bytes)
	return nil
}

func (s *Store) giveBack(of owner, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(of, -bytes)
}
