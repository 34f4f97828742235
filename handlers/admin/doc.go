// Package admin is the administrator's API, /admin: keys, users, connections, figures, backups, revocations.
//
// Invariants: nothing is told without ADMIN_KEY in the header x-apikey; where none is set there is nothing here; no
// answer holds a key but the one that makes it, and none anything of a password.
package admin
