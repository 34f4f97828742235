// Package audit records the audit trail: who changed keys, users, accounts and databases, who signed in, and which
// credentials were refused. Each entry is one line of the gateway's own log, and one event in a space of the event log.
//
// Invariants: Only GET /admin/audit reads the trail's spaces; no pattern and no other door reaches them. No entry contains
// a secret. An administrator's action is stored before it is answered. If the event log cannot store the entry, the action
// is answered all the same. Refused clients, however many, cost a bounded number of entries a minute and never wait for a
// disk.
//
// Lock order: Trail.mu is a leaf.
package audit
