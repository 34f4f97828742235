package documents_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
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

// A change whose writer gave up is counted as soon as it is stored. Until then it takes up room in its collection.
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
	if n := s.Count("c"); n != 0 {
		t.Errorf("%d were counted before they are stored", n)
	}
	for range 2 {
		if _, err := s.Insert(ctx, "c", "ann", one); !errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, eventlog.ErrUnknown) {
			t.Error(err) // no request was sent to the log
		}
	}
	close(engine.hold)
	gatewaytest.Until(t, func() error {
		if n := s.Count("c"); n != 2 {
			return fmt.Errorf("%d of 2 are counted", n)
		}
		return nil
	})
	var full *documents.LimitError
	if _, err := s.Insert(ctx, "c", "ann", one); !errors.As(err, &full) {
		t.Error(err)
	}
	r, err := s.Find(ctx, "c", &documents.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(ctx, "c", []string{documents.ID(r.Documents[0])}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Insert(ctx, "c", "ann", one); err != nil {
		t.Errorf("there is room, but: %v", err)
	}
}
