// Package audit records the audit trail: who changed keys, users, accounts and databases, who signed in, and which
// credentials were refused. Each entry is one line of the gateway's own log, and one event in a space of the event log.
//
// Invariants: Only GET /admin/audit reads the trail's spaces; no pattern and no other door reaches them. No entry
// contains a secret. The trail stores an administrator's action before the gateway answers it. If the event log cannot
// store the entry, the gateway still answers. Any number of refused clients costs a bounded number of entries a minute,
// and none of them waits for a disk.
//
// Lock order: Trail.mu is a leaf.
package audit
