package eventlog

import (
	"log/slog"
	"sync"

	"sluice/store/panics"
)

// Effects runs what follows from changes of rows and takes too long for a follower, such as ending streams. It runs one
// function after the other, in order, in a goroutine that exists only while there is something to run. Make it with
// Log.Effects.
type Effects struct {
	mu      sync.Mutex
	todo    []func()
	running bool
	logger  *slog.Logger
}

// Effects makes one that logs panics to the log's logger.
func (l *Log) Effects() *Effects { return &Effects{logger: l.options.Logger} }

// Do queues f. It does not wait, so a follower may call it. Each commit should queue a bounded number of functions.
func (e *Effects) Do(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.todo = append(e.todo, f)
	if !e.running {
		e.running = true
		go e.run() // ends when nothing is left to do
	}
}

// Wait returns when all functions have run that were queued before. Who made a change calls it before the answer. No such
// function may call it.
func (e *Effects) Wait() {
	done := make(chan struct{})
	e.mu.Lock()
	idle := !e.running
	e.mu.Unlock()
	if idle {
		return
	}
	e.Do(func() { close(done) })
	<-done
}

func (e *Effects) run() {
	for {
		e.mu.Lock()
		todo := e.todo
		e.todo = nil
		e.running = len(todo) > 0
		e.mu.Unlock()
		if len(todo) == 0 {
			return
		}
		for _, f := range todo {
			e.one(f)
		}
	}
}

// one runs a function. A panic in it must not end the process, nor the functions behind it.
func (e *Effects) one(f func()) {
	defer panics.Contain(e.logger, "what follows from a change of rows")
	f()
}
