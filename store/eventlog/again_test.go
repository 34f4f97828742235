package eventlog_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// openBehind opens a log of several in a bubble.
func openBehind(t *testing.T) (*eventlog.Log, *logtest.Shared, *logtest.SharedNode) {
	t.Helper()
	journal := logtest.NewShared()
	node := journal.Node()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{Journal: node})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := log.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return log, journal, node
}

// TestAgain: what is found costs no question, and what is not found costs one and a second look.
func TestAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		foundAt, looks, questions int
	}{{1, 1, 0}, {2, 2, 1}, {3, 2, 1}} {
		synctest.Test(t, func(t *testing.T) {
			log, _, node := openBehind(t)
			before, looks := node.Ends(), 0
			err := log.Again(context.Background(), func() bool { looks++; return looks == c.foundAt })
			if asked := node.Ends() - before; err != nil || looks != c.looks || asked != c.questions {
				t.Errorf("found at look %d: %d looks, %d questions, %v", c.foundAt, looks, asked, err)
			}
		})
	}
}

// TestAgainWithoutLeader: while the journal has no answer, nobody is told that something is not there, and few wait for it.
func TestAgainWithoutLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, journal, node := openBehind(t)
		ask := func() error { return log.Again(context.Background(), func() bool { return false }) }
		journal.Lead(false)
		before := node.Ends()
		for range 100 {
			if err := ask(); !errors.Is(err, eventlog.ErrUnavailable) || !errors.Is(err, eventlog.ErrBehind) {
				t.Fatal(err)
			}
		}
		if asked := node.Ends() - before; asked != 1 {
			t.Errorf("%d questions", asked)
		}
		journal.Lead(true)
		time.Sleep(time.Second)
		if err := ask(); err != nil {
			t.Error(err)
		}
	})
}

// TestBehindIsBounded: who asks while the log gets nothing waits for a barrier at most, and who asks after that does not wait.
func TestBehindIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, journal, node := openBehind(t)
		node.Hold()
		journal.Add(1000, 1, &eventlog.Request{})
		for n, most := range []time.Duration{2 * time.Second, 0, 0} {
			begun := time.Now()
			if err := log.Barrier(context.Background()); !errors.Is(err, eventlog.ErrBehind) || time.Since(begun) > most {
				t.Errorf("the question %d: %v after %v", n, err, time.Since(begun))
			}
		}
		node.Release()
		time.Sleep(time.Second)
		if err := log.Barrier(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestRetryBehind: a change is refused only by rows that are no older than the question.
func TestRetryBehind(t *testing.T) {
	t.Parallel()
	refusal := errors.New("there is no such thing")
	for name, c := range map[string]struct {
		leader    bool
		outcomes  []error // of the tries
		want      error
		tries     int
		questions int
	}{
		"done":                {true, []error{nil}, nil, 1, 0},
		"refused":             {true, []error{refusal, refusal}, refusal, 2, 1},
		"refused, then done":  {true, []error{refusal, nil}, nil, 2, 1},
		"overtaken, refused":  {true, []error{eventlog.ErrRow, refusal, eventlog.ErrRow, refusal}, refusal, 4, 1},
		"fault of the log":    {true, []error{eventlog.ErrUnavailable}, eventlog.ErrUnavailable, 1, 0},
		"unknown":             {true, []error{eventlog.ErrUnknown}, eventlog.ErrUnknown, 1, 0},
		"refused, no leader":  {false, []error{refusal}, eventlog.ErrUnavailable, 1, 1},
		"the client has left": {true, []error{context.Canceled}, context.Canceled, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			log, journal, node := openBehind(t)
			journal.Lead(c.leader)
			before, tries := node.Ends(), 0
			err := log.Retry(context.Background(), func() error { tries++; return c.outcomes[tries-1] })
			if asked := node.Ends() - before; !errors.Is(err, c.want) || tries != c.tries || asked != c.questions {
				t.Errorf("%s: %d tries, %d questions, %v", name, tries, asked, err)
			}
		})
	}
}
