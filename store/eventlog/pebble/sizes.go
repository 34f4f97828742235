package pebble

// Sizes are what the log takes.
type Sizes struct {
	Disk  int64 // bytes of all files: tables, WALs (up to 90 MB of them preallocated), what waits to be deleted
	Cache int64 // bytes of unpacked blocks in memory
	Write int64 // bytes of memtables
}

// Sizes are for metrics. A dead engine has none.
func (e *Engine) Sizes() Sizes {
	if e.begin() != nil {
		return Sizes{}
	}
	defer e.using.RUnlock()
	if e.state.dead() {
		return Sizes{} // a lock that is never given back may be Pebble's
	}
	m := e.db.Metrics()
	return Sizes{Disk: int64(m.DiskSpaceUsage()), Cache: m.BlockCache.Size, Write: int64(m.MemTable.Size)}
}
