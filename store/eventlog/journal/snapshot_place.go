package journal

import (
	"context"

	"sluice/cluster/bus"
)

// TimeOf returns the time of the entries of the message at a place, which a log that has applied it cannot be behind. It is 0
// if the message does not tell: a part of a larger message, or one that is left out.
func TimeOf(ctx context.Context, b *bus.Bus, place uint64) (uint64, error) {
	s, err := readOne(ctx, b, place)
	if err != nil {
		return 0, err
	}
	body, err := b.Unseal(subjectIn, s.data)
	if err != nil {
		return 0, nil
	}
	m, err := decode(body)
	if err != nil || m.stale(s.stamp) != nil {
		return 0, nil
	}
	return m.entries(s)[0].At, nil
}
