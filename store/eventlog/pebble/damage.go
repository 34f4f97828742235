package pebble

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble reads the newest write-ahead log up to the first place that it cannot read, and goes on as if that were its end. After
// a kill it is: behind it are zeros, or what is left of an older log in the same file. Where valid chunks of this log lie
// behind it, the file was damaged, and what was acknowledged is lost. So that is looked for before Pebble opens the folder.
//
// A write-ahead log is made of blocks of 32 KiB, and those of chunks, each with a head: a checksum of what follows it (4 bytes),
// the size of the payload (2), the kind (1), and the low part of the log's number (4).
const (
	walBlock = 32 << 10
	walHead  = 11

	walFull  = 5 // kinds: a whole record, or its first part, a middle one, the last
	walFirst = 6
	walLast  = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// damage is what lies behind the first place of a log that cannot be read.
type damage struct {
	file    string
	at      int64 // where that place begins
	bytes   int64 // of valid chunks behind it
	commits int   // that begin there
}

// findDamage scans the newest write-ahead log of a folder. What it cannot read is for Pebble to tell.
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
		if err != nil { // the end: what cannot be read is for Pebble to tell
			return d
		}
	}
}

// chunk is the size, with its head, and the kind of the chunk that b begins with; 0 where it is none of this log.
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

// ended reports whether b begins with the mark of a log that was closed: a head of the log that would come next.
func ended(b []byte, number uint32) bool {
	return b[6] >= walFull && b[6] <= walLast && binary.LittleEndian.Uint32(b[7:]) == number+1
}

// padding reports whether b is the end of a block in which no other chunk had room.
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
