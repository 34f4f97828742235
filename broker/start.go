package broker

import (
	"context"

	"sluice/store/eventlog"
)

// Of several spaces the one with the lowest place decides where a cursor begins: gaps in the others are met,
// and told, on the way.
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

// Locate finds where a client goes on that last saw id.
func (b *Broker) Locate(spaces []string, id string) (eventlog.Start, error) {
	return lowest(spaces, func(space string) (eventlog.Start, error) { return b.log.Locate(space, id) })
}

// Begin is where a reader of history begins that wants everything behind a position.
func (b *Broker) Begin(spaces []string, after uint64) (eventlog.Start, error) {
	return lowest(spaces, func(space string) (eventlog.Start, error) { return b.log.Begin(space, after) })
}

// Earliest is the position before everything that is retained.
func (b *Broker) Earliest(spaces []string) (eventlog.Start, error) {
	return lowest(spaces, b.log.Earliest)
}

// LastN is the position behind which lie the last n events that a filter lets through. Each of its steps waits for its
// turn, as Fetch does.
func (b *Broker) LastN(ctx context.Context, f *Filter, n int) (uint64, error) {
	q := eventlog.Query{Channels: f.Channels, Stream: f.Stream, Names: f.Names}
	turn := func() (func(), error) { return b.replays.Acquire(ctx) }
	return b.log.LastN(ctx, f.Channels.Spaces(), &q, n, turn)
}
