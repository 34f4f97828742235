//go:build !nextlevel

package journal

// Newest is the highest level that this version reads. Raise it with each change of the arrays in codec.go.
const Newest = 1
