// Package auth turns credentials into what they grant: API keys, JSON Web Tokens, sessions of users, and the
// channels and documents of each. It knows no routes and no echo.
//
// Invariants: no error, log line or name holds a credential; only hashes of keys are stored, and they
// are compared in constant time; a new key stays in memory for ten minutes at most, for who repeats the request that made
// it; the algorithms that a token may use are fixed by the configured key material and never by the token; an identity ends
// with each thing it rests on: its API key, its user and session, and the key that its token is signed with.
//
// Lock order: keyring.mu, then minters.mu. All others are leaves, and no life ends while one of them is held.
package auth
