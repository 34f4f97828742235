package rooms

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"sluice/store/eventlog"
)

// Seen is a room, as an administrator sees it.
type Seen struct {
	ID       string
	Messages uint64 // that were stored so far
	Last     uint64 // the id of its last message; or the time when it was made or touched
	Clients  int    // connections of this process
}

// List returns rooms whose ids begin with prefix, in order, and the id after which the next call goes on, or "" at the end.
// It reads the rows of what it returns, and no others.
func (r *Rooms) List(ctx context.Context, prefix, after string, limit int) (list []Seen, next string, err error) {
	from := rowKey(prefix)
	if after != "" && after >= prefix {
		from = rowKey(after) + "\x00"
	}
	to := rowKey(prefix) + "\xff" // an id is ASCII
	err = r.o.Log.View(ctx, func(v eventlog.View) error {
		return v.Scan(from, to, false, func(key, value []byte) (bool, error) {
			if len(list) == limit {
				next = list[limit-1].ID
				return false, nil
			}
			row := eventlog.Row{Key: string(key), Value: value}
			if s, ok := eventlog.KeyedSpaceOf(row); ok {
				list = append(list, Seen{ID: idOfRow(row), Messages: s.Seq, Last: s.Last})
			}
			return true, ctx.Err()
		})
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range list {
		if known := r.rooms[list[i].ID]; known != nil {
			list[i].Clients = known.open
		}
	}
	return list, next, err
}

// See returns one room. If there is no such room, the error is ErrNoRoom.
func (r *Rooms) See(ctx context.Context, id string) (seen Seen, err error) {
	behind := r.o.Log.Again(ctx, func() bool {
		var s eventlog.KeyedSpace
		var there bool
		if s, there, err = r.o.Log.KeyedSpace(Space(id)); err == nil && !there {
			err = ErrNoRoom
		}
		seen = Seen{ID: id, Messages: s.Seq, Last: s.Last}
		return !errors.Is(err, ErrNoRoom)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.rooms[id]; known != nil {
		seen.Clients = known.open
	}
	return seen, cmp.Or(behind, err)
}

// errEnough ends a read of entries.
var errEnough = errors.New("there are enough")

// Entries returns some entries of a room, in order of keys and numbers, after the entry of a key with a number. The last one is
// the one with which they have that many bytes. more reports whether others follow.
func (r *Rooms) Entries(ctx context.Context, id string, after eventlog.Event, limit, bytes int) (list []eventlog.Event, more bool, err error) {
	_, err = r.o.Log.Keyed(ctx, Space(id), nil, func(e eventlog.Event) error {
		switch {
		case cmp.Or(cmp.Compare(e.Key, after.Key), cmp.Compare(e.Seq, after.Seq)) <= 0:
			return ctx.Err()
		case len(list) == limit || bytes <= 0:
			more = true
			return errEnough
		}
		e.Data = slices.Clone(e.Data)
		list = append(list, e)
		bytes -= len(e.Data)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, more, err
}

// Remove drops a room, whoever is inside. Their next messages are refused. If there is no such room, the error is ErrNoRoom.
func (r *Rooms) Remove(ctx context.Context, id string) error {
	return r.o.Log.Retry(ctx, func() error {
		s, there, err := r.o.Log.KeyedSpace(Space(id))
		switch {
		case err != nil:
			return err
		case !there:
			return ErrNoRoom
		}
		return r.o.Log.Drop(context.WithoutCancel(ctx), s)
	})
}
