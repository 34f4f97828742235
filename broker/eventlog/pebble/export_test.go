package pebble

// Small gives the options memtables that are soon full, so that tables, a new WAL and the MANIFEST are
// written within a few requests.
func Small(o Options) Options {
	o.MemTable = 1 << 20
	return o
}
