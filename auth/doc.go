// Package auth checks credentials (API keys, JSON Web Tokens and sessions of users) and returns who sent them and which
// channels and documents they grant. It knows no routes and no echo.
//
// Invariants:
//   - No error, log line or name contains a credential.
//   - Only hashes of keys are stored, and they are compared in constant time. A new key stays in memory for ten minutes at
//     most, for a client that repeats the request that made it.
//   - The configured keys decide which algorithms a token may use; the token never does.
//   - An identity ends when anything that it depends on ends: its API key, its user, its session, or the key that
//     signed its token.
//
// Lock order: keyring.mu, then minters.mu. All other locks are leaves. No life ends while the caller has one of those.
package auth
