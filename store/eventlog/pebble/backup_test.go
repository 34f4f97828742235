package pebble_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// A copy that is made while many append has everything that was acknowledged before, without a hole, and opens.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	for _, durability := range []pebble.Durability{pebble.Process, pebble.Disk} {
		dir := t.TempDir()
		engine, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "log"), Durability: durability})
		if err != nil {
			t.Fatal(err)
		}
		log, err := eventlog.Open(engine, eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var acked [8]atomic.Int64
		var group sync.WaitGroup
		quit := make(chan struct{})
		data := []byte(`"` + strings.Repeat("x", 10_000) + `"`)
		for p := range acked {
			group.Go(func() {
				for n := int64(1); ; n++ {
					select {
					case <-quit:
						return
					default:
					}
					e := eventlog.Event{Name: "e", Stream: fmt.Sprint(p), Key: fmt.Sprint(n), Data: data}
					if _, err := log.Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{e}}); err != nil {
						t.Error(err)
						return
					}
					acked[p].Store(n)
				}
			})
		}
		var before [3][8]int64
		for i := range before {
			target := acked[0].Load() + 40
			for acked[0].Load() < target {
				if t.Failed() {
					break
				}
				time.Sleep(time.Millisecond)
			}
			for p := range acked {
				before[i][p] = acked[p].Load()
			}
			if err := log.Backup(filepath.Join(dir, fmt.Sprint("copy", i))); err != nil {
				t.Fatal(err)
			}
		}
		close(quit)
		group.Wait()
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range before {
			copied, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, fmt.Sprint("copy", i))})
			if err != nil {
				t.Fatal(i, err)
			}
			var last [8]int64
			q := &eventlog.Query{Channels: channel.Everything()}
			for after, upto := uint64(0), uint64(1)<<60; after < upto; {
				p, err := copied.Read(context.Background(), q, after, upto, 1000)
				if err != nil {
					t.Fatal(i, err)
				}
				for j := range p.Events {
					var s, n int64
					fmt.Sscan(p.Events[j].Stream+" "+p.Events[j].Key, &s, &n)
					if n != last[s]+1 {
						t.Fatalf("copy %d of %v: %d follows %d", i, durability, n, last[s])
					}
					last[s] = n
				}
				after = p.Reached
			}
			for p := range last {
				if last[p] < before[i][p] {
					t.Errorf("copy %d of %v: publisher %d was acknowledged %d, the copy has %d", i, durability, p, before[i][p], last[p])
				}
			}
			t.Log(i, before[i], last)
			if err := copied.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
