package broker

import (
	"context"

	"sluice/store/eventlog"
)

// lowest returns where a cursor of several spaces begins: at the lowest position of them all. On the way from there, the
// cursor finds the gaps of the other spaces and reports them.
func lowest(spaces []string, of func(space string) (eventlog.Start, error)) (first eventlog.Start, err error) {
	passed := uint64(0)
	for i, space := range spaces {
		start, err := of(space)
		if err != nil {
			return first, err
		}
		passed = max(passed, start.Passed)
		if i == 0 || start.After < first.After {
			first = start
		}
	}
	first.Passed = passed
	return first, nil
}

// Locate returns where a client goes on whose last event had this id.
func (b *Broker) Locate(ctx context.Context, spaces []string, id string) (eventlog.Start, error) {
	return lowest(spaces, func(space string) (eventlog.Start, error) { return b.log.Locate(ctx, space, id) })
}

// Begin returns where a reader of history begins that wants all events after a position.
func (b *Broker) Begin(ctx context.Context, spaces []string, after uint64) (eventlog.Start, error) {
	return lowest(spaces, func(space string) (eventlog.Start, error) { return b.log.Begin(ctx, space, after) })
}

// Earliest returns the position before all retained events.
func (b *Broker) Earliest(spaces []string) (eventlog.Start, error) {
	return lowest(spaces, b.log.Earliest)
}

// LastN returns the position before the last n events that match a filter. Each of its steps waits for its turn, as Fetch
// does.
func (b *Broker) LastN(ctx context.Context, f *Filter, n int) (uint64, error) {
	q := eventlog.Query{Channels: f.Channels, Stream: f.Stream, Names: f.Names}
	turn := func() (func(), error) { return b.replays.Acquire(ctx) }
	return b.log.LastN(ctx, f.Channels.Spaces(), &q, n, turn)
}
