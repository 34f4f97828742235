package eventlog

import (
	"context"
	"slices"
)

// lastStep is the most events that LastN reads in one step.
const lastStep = 256

// Turn is called before each step of a long read, and may wait or refuse. leave is called after the step.
type Turn func() (leave func(), err error)

// LastN returns the position after which the last n events of a query in some spaces come. If there are fewer, that is
// the position before all of them.
func (l *Log) LastN(ctx context.Context, spaces []string, q *Query, n int, turn Turn) (uint64, error) {
	var ids []uint64
	lowest := l.Settled()
	for _, space := range spaces {
		of := *q
		of.Space = space
		at, err := l.lastN(ctx, &of, n, turn)
		if err != nil || len(spaces) == 1 {
			return at, err
		}
		lowest = min(lowest, at)
		for settled := l.Settled(); at < settled; {
			page, err := l.step(ctx, &of, at, settled, turn)
			if err != nil {
				return 0, err
			}
			for i := range page.Events {
				ids = append(ids, page.Events[i].ID)
			}
			at = page.Reached
		}
	}
	if len(ids) < n {
		return lowest, nil
	}
	slices.Sort(ids)
	return ids[len(ids)-n] - 1, nil
}

// lastN is LastN of one space. Engines read forward only. So lastN guesses a position, and moves it: further back if
// too few events follow, halfway forward if far too many do.
func (l *Log) lastN(ctx context.Context, q *Query, n int, turn Turn) (uint64, error) {
	start, err := l.Earliest(q.Space)
	if err != nil {
		return 0, err
	}
	settled, floor := l.Settled(), start.After
	few := settled    // after it come too few
	many := uint64(0) // after it come too many; 0 if no such position is known
	at := settled - min(settled-floor, 1000)
	for {
		ids, over, err := l.ids(ctx, q, at, settled, n, turn)
		switch {
		case err != nil:
			return 0, err
		case over:
			many = at
		case len(ids) >= n:
			return ids[len(ids)-n] - 1, nil
		case at == floor:
			return floor, nil
		default:
			few = at
		}
		if many != 0 {
			at = many + (few-many)/2
		} else {
			at = settled - min(settled-floor, 8*(settled-at))
		}
	}
}

// ids reads the ids of a query's events in a range. It stops with over when they are far more than n.
func (l *Log) ids(ctx context.Context, q *Query, after, upto uint64, n int, turn Turn) (ids []uint64, over bool, err error) {
	for after < upto {
		page, err := l.step(ctx, q, after, upto, turn)
		if err != nil {
			return nil, false, err
		}
		for i := range page.Events {
			ids = append(ids, page.Events[i].ID)
		}
		if after = page.Reached; len(ids) > 8*n+1000 && after < upto {
			return nil, true, nil
		}
	}
	return ids, false, nil
}

func (l *Log) step(ctx context.Context, q *Query, after, upto uint64, turn Turn) (Page, error) {
	leave, err := turn()
	if err != nil {
		return Page{}, err
	}
	defer leave()
	return l.engine.Read(ctx, q, after, upto, lastStep)
}
