package logtest

import (
	"context"
	"errors"
	"sync"

	"sluice/store/eventlog"
)

// flaky is an engine whose calls by the committer fail at times. It remembers the answers of an engine that does not, and
// has no retention: what is cut is an entry.
type flaky struct {
	eventlog.Engine
	answers []eventlog.Answer // as committed, unless the engine stores them
	stores  bool

	mu    sync.Mutex
	left  int // calls until the next failure; -1: none fails
	times int // how many calls then fail
	gone  chan struct{}
}

var errFlaky = errors.New("a failure of the test")

// fail makes calls fail, after some that succeed. Call it while the committer waits for entries.
func (f *flaky) fail(after, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.times, f.gone = after, times, make(chan struct{})
}

// always is the times of an engine that never works again.
const always = 1 << 30

func (f *flaky) try() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left != 0 {
		f.left = max(-1, f.left-1)
		return nil
	}
	if f.times == 0 {
		f.left = -1
		return nil
	}
	f.times--
	if f.times == always-1 {
		close(f.gone)
	}
	return errFlaky
}

func (f *flaky) Commit(g *eventlog.Group) error {
	if err := f.try(); err != nil {
		return err
	}
	err := f.Engine.Commit(g)
	if err == nil && !f.stores {
		f.answers = append(f.answers, g.Answers...)
	}
	return err
}

func (f *flaky) Head(space, stream string) (uint64, error) {
	if err := f.try(); err != nil {
		return 0, err
	}
	return f.Engine.Head(space, stream)
}

func (f *flaky) Find(space, stream, key string) (uint64, error) {
	if err := f.try(); err != nil {
		return 0, err
	}
	return f.Engine.Find(space, stream, key)
}

func (f *flaky) Row(key string) ([]byte, error) {
	if err := f.try(); err != nil {
		return nil, err
	}
	return f.Engine.Row(key)
}

func (f *flaky) Keyed(ctx context.Context, space string, key *string, do func(eventlog.Event) error) (uint64, error) {
	if err := f.try(); err != nil {
		return 0, err
	}
	return f.Engine.Keyed(ctx, space, key, do)
}

func (f *flaky) Answers(since uint64, do func(eventlog.Answer)) error {
	for _, a := range f.answers {
		if a.First >= since {
			do(a)
		}
	}
	return f.Engine.Answers(since, do)
}

func (f *flaky) Oldest() (uint64, error) {
	if err := f.try(); err != nil {
		return 0, err
	}
	return f.Engine.(interface{ Oldest() (uint64, error) }).Oldest()
}

func (f *flaky) contents() eventlog.Contents { return f.Engine.(eventlog.Contents) }

func (f *flaky) Stored() eventlog.Applied { return f.contents().Stored() }

func (f *flaky) Spaces() []eventlog.Space { return f.contents().Spaces() }

func (f *flaky) Events(ctx context.Context, space string, do func(*eventlog.Event) error) error {
	return f.contents().Events(ctx, space, do)
}
