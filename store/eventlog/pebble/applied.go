package pebble

import (
	"encoding/binary"
	"errors"

	"sluice/store/eventlog"
)

// Applied is how far the engine had come when it was opened.
func (e *Engine) Applied() eventlog.Applied { return e.applied }

// Stored is how far the last commit came.
func (e *Engine) Stored() eventlog.Applied {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.stored
}

// appendApplied appends what lastKey has: the last id, the place in the journal, the log's time then, and the chain if the
// journal is a shared one. They are one value, as each commit writes it.
func appendApplied(b []byte, a eventlog.Applied) []byte {
	b = appendUint64(appendUint64(appendUint64(b, a.Last), a.Place), a.At)
	if a.Chain != 0 {
		b = appendUint64(b, a.Chain)
	}
	return b
}

// readApplied reads the value of lastKey; nil is that of a new log. An older version stored the last id alone: its time is
// that of the id.
func readApplied(v []byte) (a eventlog.Applied, err error) {
	switch len(v) {
	case 0:
		return a, nil
	case 8:
		last := binary.BigEndian.Uint64(v)
		return eventlog.Applied{Last: last, At: last}, nil
	case 24, 32:
		a = eventlog.Applied{Last: binary.BigEndian.Uint64(v), Place: binary.BigEndian.Uint64(v[8:]), At: binary.BigEndian.Uint64(v[16:])}
		if len(v) == 32 {
			a.Chain = binary.BigEndian.Uint64(v[24:])
		}
		return a, nil
	}
	return a, errRecord
}

// loadApplied reads how far the engine came.
func (e *Engine) loadApplied() error {
	v, err := e.value(lastKey)
	if err == nil {
		e.applied, err = readApplied(v)
	}
	e.stored, e.committed = e.applied, e.applied.Last
	return err
}

// maxRuns bounds the runs that are remembered. A position before the first of them gets the gap `unknown`.
const maxRuns = 4096

// runs are the remembered runs. Engine.mu guards them.
type runs struct {
	list []eventlog.Run // never modified, only replaced
	next uint64         // number of the next run
}

func (e *Engine) loadRuns() error {
	return e.each([]byte{keyMeta, metaRun}, func(k, v []byte) error {
		if len(k) != 8 || len(v) != 16 {
			return errRecord
		}
		e.runs.list = append(e.runs.list, eventlog.Run{Recovered: binary.BigEndian.Uint64(v), Start: binary.BigEndian.Uint64(v[8:])})
		e.runs.next = binary.BigEndian.Uint64(k) + 1
		return nil
	})
}

// Runs are the runs of the log.
func (e *Engine) Runs() []eventlog.Run {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.runs.list
}

// run writes a new run, and deletes the oldest if there are too many.
func (w *writer) run(r *eventlog.Run) error {
	if r == nil {
		return nil
	}
	e := w.engine
	e.mu.RLock()
	next, n := e.runs.next, len(e.runs.list)
	e.mu.RUnlock()
	err := w.batch.Set(runKey(next), appendUint64(appendUint64(nil, r.Recovered), r.Start), nil)
	if n >= maxRuns {
		err = errors.Join(err, w.batch.Delete(runKey(next-uint64(n)), nil))
	}
	return err
}

// addRun adds a run that is stored.
func (e *Engine) addRun(r eventlog.Run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := append([]eventlog.Run(nil), e.runs.list...)
	if list = append(list, r); len(list) > maxRuns {
		list = list[1:]
	}
	e.runs = runs{list, e.runs.next + 1}
}
