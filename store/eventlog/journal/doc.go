// Package journal is the journal that several gateways share.
//
// A message is the requests that one process adds at once. Its bytes are a level and CBOR (codec.go). The level is that of the log
// (level.go), which grows when all gateways can read a higher one.
//
// A node that the journal alone cannot bring up to date begins with a snapshot, a copy of another node's folder, as messages of
// a second stream (snapshot.go, snapshot_storage.go). A snapshot is there when its label is, which is put last.
//
// Invariants: what encode accepts, decode accepts, with all that applying reads. A message has one form: who encodes what it
// has decoded gets the same bytes. A message that cannot be decoded stops a gateway; none ever goes on without it, since then
// it would no longer have the same state as the others.
package journal
