package eventlog_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
)

// TestSharedModel: three logs with two kinds of engines come to the same state, whatever happens.
func TestSharedModel(t *testing.T) {
	t.Parallel()
	logtest.JudgeShared(t, inMemory{}, &inFiles{vfs.NewMem()}, inMemory{})
}

type inMemory struct{}

func (inMemory) Open(_ logtest.TB, c logtest.Config) eventlog.Engine {
	return memory.Open(memory.Options{Retain: c.Retain, Source: c.Source})
}

func (inMemory) Durable() bool { return false }

func (inMemory) Fresh() logtest.Opener { return inMemory{} }

type inFiles struct{ fs vfs.FS }

func (o *inFiles) Open(t logtest.TB, c logtest.Config) eventlog.Engine {
	t.Helper()
	e, err := pebble.Open(pebble.Options{Dir: "log", FS: o.fs, Retain: c.Retain, Source: c.Source})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (*inFiles) Durable() bool { return true }

func (*inFiles) Fresh() logtest.Opener { return &inFiles{vfs.NewMem()} }
