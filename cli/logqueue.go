package cli

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// logQueue is a queue in front of a pipe or terminal that may stall or be closed. Writing to it never waits: a line without
// room is dropped and counted. Without it, a log collector that hangs would block every stream that ends, and the end of
// the process.
type logQueue struct {
	to      io.Writer
	dropped atomic.Uint64
	report  func(dropped uint64) // called once there is room again; may log

	mu         sync.Mutex // a leaf
	waiting    [][]byte
	bytes      int
	unreported uint64
	writing    bool // a goroutine is writing
	idle       chan struct{}
	group      sync.WaitGroup
}

// logBytes bounds the waiting lines: some 1,200.
const logBytes = 256 << 10

func newLogQueue(to io.Writer) *logQueue {
	idle := make(chan struct{})
	close(idle)
	return &logQueue{to: to, idle: idle}
}

// Write queues a line, or drops it. It never fails and never waits.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes+len(line) > logBytes {
		q.dropped.Add(1)
		q.unreported++
		return len(line), nil
	}
	q.waiting = append(q.waiting, bytes.Clone(line))
	q.bytes += len(line)
	if !q.writing {
		q.writing, q.idle = true, make(chan struct{})
		q.group.Go(q.write) // ends when nothing waits
	}
	return len(line), nil
}

// write writes the waiting lines. A line counts against the bound until it is written.
func (q *logQueue) write() {
	for {
		lines, unreported := q.next()
		if unreported > 0 && q.report != nil {
			q.report(unreported)
			continue
		}
		if lines == nil {
			return
		}
		for _, line := range lines {
			_, err := q.to.Write(line)
			q.written(line, err)
		}
	}
}

// next returns the waiting lines or, once none waits, the number of dropped lines to report. If it returns neither, the
// goroutine must end.
func (q *logQueue) next() (lines [][]byte, unreported uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if lines, q.waiting = q.waiting, nil; lines != nil {
		return lines, 0
	}
	if unreported, q.unreported = q.unreported, 0; unreported == 0 || q.report == nil {
		q.writing = false
		close(q.idle)
	}
	return nil, unreported
}

func (q *logQueue) written(line []byte, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= len(line)
	if err != nil { // the output is closed, so nobody could read the cause
		q.dropped.Add(1)
	}
}

// Flush waits until everything is written, for at most the given time.
func (q *logQueue) Flush(most time.Duration) {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	select {
	case <-idle:
	case <-time.After(most):
	}
}
