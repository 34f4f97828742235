package gateway

import (
	"log/slog"
	"math"
	"runtime/debug"

	"sluice/config"
	"sluice/store/eventlog/pebble"
)

// budgets bound the memory that no setting bounds, in bytes. The numbers are for config.FullMemory. With less memory
// they are lower in proportion.
type budgets struct {
	ring     int64 // frames shared at the head
	cache    int64 // the log's unpacked blocks
	memTable int64 // one memtable of the log
	queue    int64 // events that wait to be stored
	known    int64 // the committer's knowledge of rooms
	rooms    int64 // answers of rooms that wait for their clients to read them
	answers  int64 // answers of documents and Persistr for one owner
	names    int64 // lists of channels that have a name, which DATA_DIR=memory has in memory
	heap     int64 // the heap's least size for a collection of garbage
	keys     int64 // a number: Idempotency-Keys in memory
	heads    int64 // a number: connections without a request head
}

// Where there is more than config.FullMemory, the log's cache may have a part of it. A search without an index reads all
// documents of a collection; if the cache holds them, that takes 40 % less CPU time (100,000 documents, 16 and 64 MiB).
const (
	cacheShare = 64
	mostCache  = 64 << 20
)

func newBudgets(memory MemoryLimit) budgets {
	most := memory.most()
	if !memory.found() {
		memory.Bytes = math.MaxInt64
	}
	part := func(n, least int64) int64 { return config.ShareOf(memory.Bytes, n, least) }
	// The log needs only a small part of its budget: even with half of it, 200 B events cost no more.
	engine := func(n int64) int64 { return config.ShareOf(2*min(memory.Bytes, config.FullMemory), n, 1<<20) }
	b := budgets{
		ring: part(16<<20, 1<<20), cache: max(engine(16<<20), min(most/cacheShare, mostCache)), memTable: engine(16 << 20), queue: part(64<<20, 4<<20), known: part(256<<20, 8<<20),
		heap: part(16<<20, runtimeLeast), answers: part(32<<20, 1<<20), names: part(128<<20, 8<<20), keys: part(500_000, 10_000), heads: part(2048, 256),
	}
	if memory.Bytes < config.FullMemory { // otherwise MAX_ROOM_BYTES bounds it
		b.rooms = part(128<<20, 0)
	}
	return b
}

// The runtime's limit leaves out a tenth of the memory, and at least outside bytes. The kernel needs that rest for the
// process: sockets and pages of files (the program's own pages take 12 MiB). The runtime may also allocate some of it
// before it notices its limit.
const (
	otherMemoryShare = 10
	otherMemory      = 20 << 20
)

// Apply makes the runtime collect garbage more often when memory gets scarce. It logs the limit that was found, and the
// budgets that follow from it. Call it only where the gateway is the only one in the process.
func (l MemoryLimit) Apply(logger *slog.Logger, cfg *config.Config) {
	b := newBudgets(l)
	runtime := l.limitRuntime(&b)
	if !l.found() {
		logger.Debug("found no limit of memory; budgets assume 1 GiB")
		return
	}
	size := func(n int64) string { return config.Size(n >> 10 << 10).String() }
	logger.Info("found a limit of memory", "limit", size(l.Bytes), "from", l.From, "runtime", size(runtime),
		"log_cache", size(b.cache), "memtable", size(b.memTable), "ring", size(b.ring), "queue", size(b.queue), "least_heap", size(b.heap), "idempotency_keys", b.keys,
		"MAX_CLIENT_MEMORY", cfg.MaxClientMemory, "MAX_MEMORY_PER_KEY", cfg.MaxMemoryPerKey, "MAX_RESULT", cfg.MaxResult, "MAX_PENDING", cfg.MaxPending)
}

// Started makes the runtime collect garbage less often while the heap is small. Call it after the start, whose garbage would
// otherwise stay. As Apply, it is about the whole process.
func (l MemoryLimit) Started() { keepLeastHeap(newBudgets(l).heap) }

// limitRuntime sets the runtime's limit unless GOMEMLIMIT has set it, and returns the limit in force.
func (l MemoryLimit) limitRuntime(b *budgets) int64 {
	if !l.own && l.found() {
		rest := l.Bytes - max(l.Bytes/otherMemoryShare, otherMemory) - pebble.Footprint(b.cache, b.memTable)
		debug.SetMemoryLimit(max(rest, l.Bytes/2)) // with less, the runtime would spend most of its time on collection
	}
	return debug.SetMemoryLimit(-1)
}
