package journal

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sluice/cluster/clustertest"
)

// While the leader of the journal or that of the snapshots does not answer, each step waits for the next leader, and no longer.
// Right after that server is back, with what it had before, all snapshots are listed and the newest are kept.
func TestSnapshotWhileAServerIsPaused(t *testing.T) {
	t.Parallel()
	servers := clustertest.StartServers(t, 3)
	b := connect(t, servers.URL(), testSecret)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if _, _, err := Create(ctx, b, CreateOptions{Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	dir := testFolder(t, map[string]int{"a": 5 << 20})
	saved := int64(0)
	first, err := Save(ctx, b, dir, Meta{Place: 1}, func(done int64) { saved = done })
	if err != nil || saved != first.Size {
		t.Fatalf("saved %d of %d: %v", saved, first.Size, err)
	}
	for _, step := range []struct {
		name   string
		stream string // whose leader is paused
		listed int    // snapshots right after it
		do     func() error
	}{
		{"list", storageName(b), 1, func() error { _, err := List(ctx, b); return err }},
		{"save", stream(b), 2, func() error { _, err := Save(ctx, b, dir, Meta{Place: 2}, nil); return err }},
		{"save again", storageName(b), 3, func() error { _, err := Save(ctx, b, dir, Meta{Place: 3}, nil); return err }},
		{"prune", storageName(b), 2, func() error {
			kept, err := Prune(ctx, b, 2)
			if err == nil && len(kept) != 2 {
				err = errors.New("not two are kept")
			}
			return err
		}},
		{"purge", stream(b), 2, func() error { return Purge(ctx, b, 1) }},
	} {
		leader := servers.Leader(t, step.stream)
		servers[leader].Pause(t)
		begun := time.Now()
		err := step.do()
		t.Logf("%s without the leader of %s took %v", step.name, step.stream, time.Since(begun))
		if err != nil || time.Since(begun) > patience+tryCall {
			t.Errorf("%s without the leader of %s: %v, after %v", step.name, step.stream, err, time.Since(begun))
		}
		servers[leader].Resume(t)
		if all, err := List(ctx, b); err != nil || len(all) != step.listed {
			t.Errorf("right after %s without the leader of %s, %d are listed, not %d: %v", step.name, step.stream, len(all), step.listed, err)
		}
		if kept, err := Prune(ctx, b, 2); err != nil || len(kept) != min(step.listed, 2) {
			t.Errorf("right after %s without the leader of %s, %d are kept, not %d: %v", step.name, step.stream, len(kept), min(step.listed, 2), err)
		}
		for _, s := range servers {
			s.AwaitReady(t)
		}
	}
}

// A call that gets no answer is tried again, for as long as patience says. An error that stays ends it.
func TestPersist(t *testing.T) {
	t.Parallel()
	trouble := errors.New("JetStream system temporarily unavailable")
	silent := func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
	for _, c := range []struct {
		name string
		f    func(ctx context.Context, n int) error
		err  error
		took time.Duration
	}{
		{"no answer at first", func(ctx context.Context, n int) error {
			if n < 3 {
				return silent(ctx, n)
			}
			return nil
		}, nil, 2 * (tryCall + againAfter)},
		{"never an answer", silent, context.DeadlineExceeded, 6*(tryCall+againAfter) - againAfter},
		{"trouble", func(context.Context, int) error { return trouble }, trouble, patience + againAfter},
		{"no journal", func(context.Context, int) error { return ErrNone }, ErrNone, 0},
		{"no snapshot", func(context.Context, int) error { return ErrNoSnapshot }, ErrNoSnapshot, 0},
		{"a damaged snapshot", func(context.Context, int) error { return ErrDamaged }, ErrDamaged, 0},
		{"another secret", func(context.Context, int) error { return ErrSecret }, ErrSecret, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun, n := time.Now(), 0
			err := persist(t.Context(), func(ctx context.Context) error { n++; return c.f(ctx, n) })
			if took := time.Since(begun); !errors.Is(err, c.err) || took != c.took {
				t.Errorf("%s: %v after %v, not %v", c.name, err, took, c.took)
			}
		})
	}
}
