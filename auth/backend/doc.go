// Package backend asks the application (AUTH_URL) who sent a request and what they may do, and remembers its answers. It
// knows no routes and no echo.
//
// A Question is what is sent. Requests with the same question share one entry, which has the application's last answer:
//
//	             asked                 granted             narrower, refused, or too long without an answer
//	(nothing) ----------> call ---------------------> entry ---------------------------------------------> over
//	                       |  refused: remembered       ^ |
//	                       |  for 5 s; trouble: 1 s     | | a stream holds it: asked again before its end
//	                       v                            +-+
//
// Invariants:
//   - There is one call for a question at a time, and Options.Concurrency of them in all. Addresses take turns.
//   - A call does not end with the request that began it.
//   - An entry that a stream holds is asked for again before its answer ends. One that no stream holds is not.
//   - An entry has one life. It ends for all streams of the entry at once, and the next entry has another.
//   - Entries have a largest number and a largest size. Those that streams hold are not dropped.
//   - No error and no log line has anything that a client sent.
//
// Lock order: Backend.mu, then that of troubles. Options.Make runs under Backend.mu. No life ends under it.
package backend
