// Package admin is the administrator's API, /admin: keys, users, connections, figures, backups and revocations.
//
// Invariants: every route needs ADMIN_KEY in the header x-apikey, and answers 404 if no ADMIN_KEY is set. Only the answer
// that makes a key contains it. No answer contains a password or its hash.
package admin
