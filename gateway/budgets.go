package gateway

import (
	"log/slog"
	"math"
	"runtime/debug"

	"sluice/config"
	"sluice/store/eventlog/pebble"
)

// budgets bound the memory that no setting bounds, in bytes. They are for config.FullMemory, and
// less in proportion where there is less.
type budgets struct {
	ring     int64 // frames shared at the head
	cache    int64 // the log's unpacked blocks
	memTable int64 // one of the log's
	queue    int64 // what waits to be stored
	known    int64 // the committer's knowledge of rooms
	rooms    int64 // answers of rooms that wait to be read
	answers  int64 // those of documents and Persistr, of one owner
	keys     int64 // a number: Idempotency-Keys that are remembered
	heads    int64 // a number: connections without a request head
}

func newBudgets(memory MemoryLimit) budgets {
	if !memory.found() {
		memory.Bytes = math.MaxInt64
	}
	part := func(n, least int64) int64 { return config.ShareOf(memory.Bytes, n, least) }
	// What the log needs at all is a small part: with half of it already, 200 B events cost no more.
	engine := func(n int64) int64 { return config.ShareOf(2*min(memory.Bytes, config.FullMemory), n, 1<<20) }
	b := budgets{
		ring: part(16<<20, 1<<20), cache: engine(16 << 20), memTable: engine(16 << 20), queue: part(64<<20, 4<<20), known: part(256<<20, 8<<20),
		answers: part(32<<20, 1<<20), keys: part(500_000, 10_000), heads: part(2048, 256),
	}
	if memory.Bytes < config.FullMemory { // else MAX_ROOM_BYTES bounds it
		b.rooms = part(128<<20, 0)
	}
	return b
}

// The runtime's limit leaves out a tenth of the memory, but at least outside. That rest is for the kernel's part of the
// process (sockets, and pages of files; the program's own pages take 12 MiB), and for what the runtime takes before it
// notices.
const (
	outsideShare = 10
	outside      = 20 << 20
)

// Apply has the runtime collect garbage more often when memory gets scarce, and logs what limit was found, and what follows
// from it. It is for the one gateway of a process.
func (l MemoryLimit) Apply(logger *slog.Logger, cfg *config.Config) {
	b := newBudgets(l)
	runtime := l.limitRuntime(&b)
	if !l.found() {
		logger.Debug("found no limit of memory; budgets assume 1 GiB")
		return
	}
	size := func(n int64) string { return config.Size(n >> 10 << 10).String() }
	logger.Info("found a limit of memory", "limit", size(l.Bytes), "from", l.From, "runtime", size(runtime),
		"log_cache", size(b.cache), "memtable", size(b.memTable), "ring", size(b.ring), "queue", size(b.queue), "idempotency_keys", b.keys,
		"MAX_CLIENT_MEMORY", cfg.MaxClientMemory, "MAX_MEMORY_PER_KEY", cfg.MaxMemoryPerKey, "MAX_RESULT", cfg.MaxResult, "MAX_PENDING", cfg.MaxPending)
}

// limitRuntime sets the runtime's limit, and returns the one in force, which is that of GOMEMLIMIT where it is set.
func (l MemoryLimit) limitRuntime(b *budgets) int64 {
	if !l.own && l.found() {
		rest := l.Bytes - max(l.Bytes/outsideShare, outside) - pebble.Footprint(b.cache, b.memTable)
		debug.SetMemoryLimit(max(rest, l.Bytes/2)) // below that it would do little else than collect
	}
	return debug.SetMemoryLimit(-1)
}
