package pebble

// Sizes are what the log takes on the disk and in memory.
type Sizes struct {
	Disk  int64 // bytes of all files: tables, WALs (up to 90 MB preallocated), files that wait to be deleted
	Cache int64 // bytes of decompressed blocks in memory
	Write int64 // bytes of memtables
}

// Sizes are for metrics. A failed engine has none.
func (e *Engine) Sizes() Sizes {
	if e.begin() != nil {
		return Sizes{}
	}
	defer e.using.RUnlock()
	if e.state.dead() {
		return Sizes{} // Fatalf never returns, so Pebble may be locked for ever
	}
	m := e.db.Metrics()
	return Sizes{Disk: int64(m.DiskSpaceUsage()), Cache: m.BlockCache.Size, Write: int64(m.MemTable.Size)}
}
