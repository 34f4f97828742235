package pebble

import "github.com/cockroachdb/pebble/v2/vfs"

// Small gives the options memtables that are soon full, so that tables, a new WAL and the MANIFEST are
// written within a few requests.
func Small(o Options) Options {
	o.memTable = 1 << 20
	return o
}

// DamageOf is the bytes and commits behind damage in the newest write-ahead log of a folder.
func DamageOf(dir string, fs vfs.FS) (bytes int64, commits int) {
	d := findDamage(dir, fs)
	return d.bytes, d.commits
}

// Look looks at the free space now.
func (e *Engine) Look() { e.state.checkSpace() }
