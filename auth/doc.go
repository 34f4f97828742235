// Package auth turns credentials into what they grant: API keys, JSON Web Tokens, sessions of users, and the
// channels and documents of each. It knows no routes and no echo.
//
// Invariants: no error, log line or name holds a credential; only hashes of keys are kept, and they
// are compared in constant time; the algorithms that a token may use are fixed by the configured key
// material and never by the token; a key or user that was removed or changed ends what was opened with it.
//
// Lock order: Authenticator.mu, then keySource.mu; limiters.mu and tokenCache.mu are leaves.
package auth
