//go:build nextlevel

package journal

// Newest of the program that tests upgrades (package clustertest): it stands for the next version, and differs in nothing but
// the level. No other program is built with this tag.
const Newest = 2
