//go:build nextlevel

package journal

// Newest of the program that tests an upgrade: the next version, which differs in nothing but the level.
const Newest = 2
