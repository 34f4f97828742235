// Package client is the Go client of GET and POST /realtime: it follows a stream through every cut,
// and publishes without doubling an event.
//
// The stream is read by r3labs/sse's Client, used so that its weak spots do not show: a new one for
// each attempt, with no backoff of its own; our loop owns delay, retry, jitter and context; a
// validator that closes the body and tells final answers from passing ones; a body that hands on whole
// frames only, as its reader would take a frame that was cut in two for an event.
//
// Invariant: the id resumed from is that of the last event the caller's function returned from.
package client
