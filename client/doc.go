// Package client is the Go client of GET, POST and DELETE /realtime. It reconnects and resumes after each lost connection, and
// never publishes an event twice. Values and Decode give events as values of your types, Publish takes one: docs/go.md shows how.
//
// It reads the stream with the Client of r3labs/sse, and works around the weak points of that:
//   - Each attempt has a new Client without backoff. Our loop has the delays, the retry of the stream and the context.
//   - A validator closes the body of an error, and separates final errors from temporary ones.
//   - The body contains only whole frames, because the library takes the first half of a frame for an event.
//
// Invariant: the client resumes after the last event for which the caller's function has returned.
package client
