package load

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// marker is in every event: ~run.channel.publisher.number.microseconds~
type marker struct {
	run, channel, publisher, number uint64
	sent                            int64 // Unix µs
}

const (
	minSize   = 64 // the smallest payload, in bytes
	maxMarker = 80 // the longest marker, in bytes
)

// payload appends the marker, and fills it up to a size.
func (m *marker) payload(dst []byte, size int) []byte {
	at := len(dst)
	m.sent = time.Now().UnixMicro()
	dst = fmt.Appendf(dst, "~%x.%d.%d.%d.%d~", m.run, m.channel, m.publisher, m.number, m.sent)
	for len(dst)-at < size {
		dst = append(dst, "0123456789abcdef"[(len(dst)-at)%16])
	}
	return dst
}

func parseMarker(b []byte) (m marker, ok bool) {
	fields := [5]uint64{}
	for i := range fields {
		text := b
		if dot := bytes.IndexByte(b, '.'); i < 4 {
			if dot < 0 {
				return m, false
			}
			text, b = b[:dot], b[dot+1:]
		}
		base := 10
		if i == 0 {
			base = 16
		}
		var err error
		if fields[i], err = strconv.ParseUint(string(text), base, 64); err != nil {
			return m, false
		}
	}
	return marker{fields[0], fields[1], fields[2], fields[3], int64(fields[4])}, true
}

// scan calls f with each marker in b. It returns the end of b that may be the beginning of a marker.
func scan(b []byte, f func(marker)) (rest []byte) {
	for {
		from := bytes.IndexByte(b, '~')
		if from < 0 {
			return nil
		}
		b = b[from:]
		to := bytes.IndexByte(b[1:min(len(b), maxMarker)], '~')
		switch {
		case to < 0 && len(b) < maxMarker:
			return b
		case to < 0:
			b = b[1:]
		default:
			if m, ok := parseMarker(b[1 : 1+to]); ok {
				f(m)
				b = b[2+to:]
			} else {
				b = b[1+to:]
			}
		}
	}
}
