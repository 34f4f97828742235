package documents_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// gatedEngine delays commits until they may go on.
type gatedEngine struct {
	*memory.Engine
	hold chan struct{}
}

func (e *gatedEngine) Commit(g *eventlog.Group) error {
	if g.Run == nil { // opening the log begins a run
		<-e.hold
	}
	return e.Engine.Commit(g)
}

// A change whose writer gave up may be stored later. A count in between waits for it, or fails.
func TestCountAfterUnknown(t *testing.T) {
	t.Parallel()
	engine := &gatedEngine{memory.Open(memory.Options{}), make(chan struct{})}
	log, err := eventlog.Open(engine, eventlog.Options{WaitLimit: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, log)
	ctx := context.Background()
	s, err := documents.Open(ctx, log, documents.Options{MaxDocuments: 2})
	if err != nil {
		t.Fatal(err)
	}
	one := []documents.New{{Fields: fields(t, `{}`)}}
	if _, err := s.Insert(ctx, "c", "ann", []documents.New{one[0], one[0]}); !errors.Is(err, eventlog.ErrUnknown) {
		t.Fatal(err)
	}
	if n, err := s.Count(ctx, "c"); err == nil {
		t.Errorf("%d were counted while the outcome is unknown", n)
	}
	if _, err := s.Insert(ctx, "c", "ann", one); !errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, eventlog.ErrUnknown) {
		t.Error(err) // no request was sent to the log
	}
	close(engine.hold)
	for deadline := time.Now().Add(10 * time.Second); ; {
		n, err := s.Count(ctx, "c")
		if err == nil && n == 2 {
			break
		}
		if err == nil || time.Now().After(deadline) {
			t.Fatalf("%d, %v", n, err)
		}
	}
	var full *documents.LimitError
	if _, err := s.Insert(ctx, "c", "ann", one); !errors.As(err, &full) {
		t.Error(err)
	}
}
