// Package audit keeps the audit trail: who changed keys, users, accounts and databases, who signed in, and which
// credentials were refused. Each entry is one line of the log and one event in a space of the event log.
//
// Invariants: no pattern and no door reaches the spaces of the trail but GET /admin/audit; no entry holds a secret; an
// action of an administrator is stored before it is answered, and an action that the event log cannot take is answered
// all the same; clients who are refused, however many, cost a bounded number of entries a minute and wait for no disk.
// Trail.mu is a leaf.
package audit
