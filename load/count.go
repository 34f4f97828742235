package load

import "bytes"

// finder finds a text in bytes that arrive in pieces of any size.
type finder struct {
	text []byte
	rest []byte // bytes that may be the beginning of one
}

// count returns how often the text ends in the next piece.
func (f *finder) count(p []byte) int {
	if len(f.rest) > 0 {
		p = append(f.rest, p...)
	}
	n := 0
	for {
		at := bytes.Index(p, f.text)
		if at < 0 {
			break
		}
		n++
		p = p[at+len(f.text):]
	}
	f.rest = append(f.rest[:0:0], p[max(0, len(p)-len(f.text)+1):]...)
	return n
}

// counted makes a marker for each occurrence of a text. The first occurrence counts as the first event, and so on. So there
// must be only one publisher and one channel.
type counted struct {
	finder
	all  *publishers
	next int
}

func (c *counted) take(p []byte, f func(marker)) {
	for range c.count(p) {
		// An occurrence for which no event was published counts as a repetition of the last event.
		number := min(c.next, int(c.all.begun.Load())-1)
		c.next = number + 1
		f(marker{run: c.all.run, number: uint64(max(0, number)), sent: c.all.times[max(0, number)].Load()})
	}
}
