// Package panics lets background work go on after a panic, which would otherwise end the process.
package panics

import (
	"log/slog"
	"runtime/debug"
)

// Contain is deferred by one step of background work. It logs a panic of the step with its stack, so that the next step can
// run. The step must unlock what it locks by defer. Streams and sockets have Contain of their lease instead.
func Contain(log *slog.Logger, step string) {
	if cause := recover(); cause != nil {
		log.Error("background work panicked", "step", step, "cause", cause, "stack", string(debug.Stack()))
	}
}
