package gateway

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
	"sluice/store/rows"
)

// Errors of Verify about the folder, before it has verified anything.
var (
	ErrNoLog  = pebble.ErrNoLog
	ErrLocked = eventlog.ErrLocked
)

// Verifying is what Verify tells its caller on the way.
type Verifying struct {
	Fault    func(text string)
	Progress func(what string, done, total int64) // total is 0 where it is unknown, and else an estimate
}

// Verified is what Verify has found.
type Verified struct {
	Events, Entries, Rows int64
	Digest                [32]byte // only of a log without faults
}

// Verify reads a log whose gateway is stopped, and checks all that is stored. It changes no file. dir is a DATA_DIR, its
// folder of the log, or a backup. An error means that the log cannot be verified to its end.
func Verify(ctx context.Context, dir string, to Verifying) (v Verified, err error) {
	if inside := filepath.Join(dir, logFolder); !pebble.HasLog(dir) && pebble.HasLog(inside) {
		dir = inside
	}
	log, err := pebble.Inspect(pebble.Options{Dir: dir})
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	faults := 0
	fault := func(text string) {
		faults++
		to.Fault(text)
	}
	counted, err := log.Verify(ctx, pebble.Verifying{Fault: fault, Row: rows.Check, Progress: func(done, total int64) { to.Progress("checking keys", done, total) }})
	if err != nil {
		return v, err
	}
	v.Events, v.Entries, v.Rows = counted.Events, counted.Entries, counted.Rows
	err = log.View(ctx, func(view eventlog.View) error {
		return documents.Verify(view, fault, func(done int64) { to.Progress("checking documents", done, 0) })
	})
	if err != nil {
		return v, fmt.Errorf("checking documents: %w", err)
	}
	if faults > 0 {
		return v, nil
	}
	v.Digest, err = log.Digest(ctx, func(done, total int64) { to.Progress("computing the digest", done, total) })
	return v, err
}
