package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
)

// TestJudge: engines of both kinds come to the same state.
func TestJudge(t *testing.T) {
	t.Parallel()
	logtest.Judge(t, &opener{fs: vfs.NewMem()}, &smallOpener{opener{fs: vfs.NewMem()}}, inMemory{})
}

// smallOpener opens engines with small memtables.
type smallOpener struct{ opener }

func (o *smallOpener) Open(t logtest.TB, c logtest.Config) eventlog.Engine {
	t.Helper()
	e, err := pebble.Open(pebble.Small(pebble.Options{Dir: "log", FS: o.fs, Retain: c.Retain, Source: c.Source}))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (o *smallOpener) Fresh() logtest.Opener { return &smallOpener{opener{fs: vfs.NewMem()}} }

type inMemory struct{}

func (inMemory) Open(_ logtest.TB, c logtest.Config) eventlog.Engine {
	return memory.Open(memory.Options{Retain: c.Retain, Source: c.Source})
}

func (inMemory) Durable() bool { return false }

func (inMemory) Fresh() logtest.Opener { return inMemory{} }
