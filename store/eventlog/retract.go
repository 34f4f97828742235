package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"sluice/channel"
	"sluice/store/rows"
	"sluice/store/syntax"
)

// Retracted is the name under which clients see the event that says that another one was taken out of the log. Nobody can
// publish an event with this name.
const Retracted = "retract"

// metaRetract is the Meta of that event. It has the names of the event that was taken out, so it is on the same channel, of
// the same stream, and goes to the same subscribers.
const metaRetract = "r"

// Retracts reports whether the event says that another one was taken out of the log.
func (e *Event) Retracts() bool { return string(e.Meta) == metaRetract && e.Space == "" }

// ErrGone is the error of Retract if the log has no such event, or none any more.
var ErrGone = errors.New("there is no such event")

// retractLocks is the number of rows that keep two Retracts of one event apart. A row has the id that was last taken out
// under it, so it never has a value twice.
const retractLocks = 64

// Retract takes an event out of /realtime's own space, and adds one that says so, in the same commit. It returns the id of
// the new event. Allow is called with the event and may refuse; its error is returned. A retraction cannot be retracted.
func (l *Log) Retract(ctx context.Context, id uint64, allow func(*Event) error, once *Once) (first uint64, err error) {
	err = l.Retry(ctx, func() error {
		lock := rows.Retract + strconv.FormatUint(id%retractLocks, 10)
		before, err := l.Row(lock)
		if err != nil {
			return fmt.Errorf("%w: looking for what was retracted: %w", ErrUnavailable, err)
		}
		e, err := l.event(ctx, id) // after the row, so that a Retract in between changes the row
		switch {
		case err != nil:
			return err
		case e == nil || e.Retracts():
			return ErrGone
		}
		if err := allow(e); err != nil {
			return err
		}
		first, err = l.Append(ctx, &Request{
			Events: []Event{retraction(e)},
			Edit:   &Edit{Remove: []Event{{Space: e.Space, ID: e.ID}}, Freed: l.Weight(e)},
			Rows:   []Row{{Key: lock, Value: strconv.AppendUint(nil, id, 10)}}, If: []Condition{RowIs(lock, before)},
			Once: once, FromReserve: true,
		})
		return err
	})
	return first, err
}

// event returns the event of /realtime's own space with an id, or nil.
func (l *Log) event(ctx context.Context, id uint64) (*Event, error) {
	if settled := l.Settled(); id == 0 || id > settled {
		return nil, nil
	}
	page, err := l.engine.Read(ctx, &Query{Channels: channel.Everything()}, id-1, id, 1)
	if err != nil {
		return nil, fmt.Errorf("%w: looking for an event: %w", ErrUnavailable, err)
	}
	if len(page.Events) == 0 || page.Events[0].ID != id {
		return nil, nil
	}
	return &page.Events[0], nil
}

// retraction returns the event that says that e was taken out of the log.
func retraction(e *Event) Event {
	data := append([]byte(`{"id":"`), strconv.FormatUint(e.ID, 10)...)
	data = append(data, `","channel":`...)
	data = syntax.AppendText(data, e.Channel().String())
	return Event{Name: e.Name, Collection: e.Collection, Stream: e.Stream, Data: append(data, '}'), Meta: []byte(metaRetract)}
}
