package pebble

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble reads the newest write-ahead log (WAL) up to the first place that it cannot read, and takes that for the end.
// After a kill it is the end: only zeros follow, or the rest of an older log in the same file. But if valid chunks of
// this log follow, the file was damaged, and acknowledged events are lost. So findDamage looks for them before Pebble
// opens the folder.
//
// A WAL consists of blocks of 32 KiB, and a block of chunks. Each chunk has a head: a checksum of what follows it (4
// bytes), the size of the payload (2), the kind (1), and the low part of the log's number (4).
const (
	walBlock = 32 << 10
	walHead  = 11

	walFull  = 5 // kinds: a whole record, or its first part, a middle one, the last
	walFirst = 6
	walLast  = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// damage describes what follows the first unreadable place of a log.
type damage struct {
	file    string
	at      int64 // offset of the unreadable place
	bytes   int64 // of valid chunks after it
	commits int   // that begin after it
}

// findDamage scans the newest WAL of a folder. If it cannot read a file, it reports no damage: Pebble will report the
// error.
func findDamage(dir string, fs vfs.FS) damage {
	names, err := fs.List(dir)
	if err != nil {
		return damage{}
	}
	newest, number := "", uint64(0)
	for _, name := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(name, ".log"), 10, 64)
		if err == nil && isWAL(name) && (newest == "" || n > number) {
			newest, number = name, n
		}
	}
	if newest == "" {
		return damage{}
	}
	file, err := fs.Open(fs.PathJoin(dir, newest))
	if err != nil {
		return damage{}
	}
	defer file.Close()
	d := scanWAL(file, uint32(number))
	d.file = newest
	return d
}

// scanWAL reads a log to its end.
func scanWAL(r io.Reader, number uint32) (d damage) {
	block := make([]byte, walBlock)
	broken := false
	for start := int64(0); ; start += walBlock {
		n, err := io.ReadFull(r, block)
		b := block[:n]
		for len(b) >= walHead {
			size, kind := chunk(b, number)
			switch {
			case size > 0 && broken:
				d.bytes += int64(size)
				if kind == walFull || kind == walFirst {
					d.commits++
				}
				b = b[size:]
			case size > 0:
				b = b[size:]
			case !broken && ended(b, number):
				return d
			case !broken && padding(b):
				b = nil
			default:
				if !broken {
					broken, d.at = true, start+int64(n-len(b))
				}
				b = b[1:] // the next chunk may begin anywhere in the block
			}
		}
		if err != nil { // the end, or an error that Pebble will report
			return d
		}
	}
}

// chunk returns the kind of the chunk at the beginning of b, and its size with the head. The size is 0 if b does not
// begin with a chunk of this log.
func chunk(b []byte, number uint32) (size int, kind byte) {
	kind = b[6]
	if kind < walFull || kind > walLast || binary.LittleEndian.Uint32(b[7:]) != number {
		return 0, 0
	}
	size = walHead + int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) {
		return 0, 0
	}
	sum := crc32.Checksum(b[6:size], castagnoli)
	if binary.LittleEndian.Uint32(b) != (sum>>15|sum<<17)+0xa282ead8 { // as LevelDB masks it
		return 0, 0
	}
	return size, kind
}

// ended reports whether b begins with the end mark of a closed log: a head with the number of the next log.
func ended(b []byte, number uint32) bool {
	return b[6] >= walFull && b[6] <= walLast && binary.LittleEndian.Uint32(b[7:]) == number+1
}

// padding reports whether b is the end of a block, too short for another chunk.
func padding(b []byte) bool {
	const longestHead = 19
	if len(b) >= longestHead {
		return false
	}
	for _, one := range b {
		if one != 0 {
			return false
		}
	}
	return true
}
