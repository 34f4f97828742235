package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/pebble"
)

// opener opens engines on one file system in memory, which survives a close.
type opener struct {
	fs         vfs.FS
	durability pebble.Durability
}

func (o *opener) Open(t logtest.TB, c logtest.Config) eventlog.Engine {
	t.Helper()
	e, err := pebble.Open(pebble.Options{Dir: "log", FS: o.fs, Durability: o.durability, Retain: c.Retain, Source: c.Source})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (o *opener) Durable() bool { return true }

func (o *opener) Fresh() logtest.Opener { return &opener{vfs.NewMem(), o.durability} }

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("process", func(t *testing.T) {
		logtest.Run(t, func(*testing.T) logtest.Opener { return &opener{vfs.NewMem(), pebble.Process} })
	})
	t.Run("disk", func(t *testing.T) { // the same, except for fsyncs
		logtest.RunBriefly(t, func(*testing.T) logtest.Opener { return &opener{vfs.NewMem(), pebble.Disk} })
	})
}
