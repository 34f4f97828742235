package load

import (
	"fmt"
	"time"
)

// tally checks the events of one subscriber, by publisher.
type tally struct {
	channel uint64
	next    []uint32 // the number that is expected next
	missed  []uint32 // how many are missing so far
}

// Check is the result of checking the order of events. All numbers except Received should be 0.
type Check struct {
	Received    uint64 `json:"received"`
	Lost        uint64 `json:"lost"`
	Repeated    uint64 `json:"repeated"`
	Reordered   uint64 `json:"reordered"`
	Foreign     uint64 `json:"foreign"`
	Unsequenced uint64 `json:"unsequenced"` // numbers of rooms that are not one more than the number before
}

// OK reports whether every event arrived once and in order.
func (c *Check) OK() bool {
	return c.Lost == 0 && c.Repeated == 0 && c.Reordered == 0 && c.Foreign == 0 && c.Unsequenced == 0
}

func (c *Check) String() string {
	return fmt.Sprintf("%d received, %d lost, %d repeated, %d reordered, %d foreign, %d unsequenced", c.Received, c.Lost, c.Repeated, c.Reordered, c.Foreign, c.Unsequenced)
}

func newTally(channel, publishers int) tally {
	numbers := make([]uint32, 2*publishers)
	return tally{uint64(channel), numbers[:publishers], numbers[publishers:]}
}

// add counts a marker. An event that arrives after its successor was first counted as lost; now it counts as reordered.
func (t *tally) add(m marker, run uint64, c *Check) {
	c.Received++
	if m.run != run || m.channel != t.channel || m.publisher >= uint64(len(t.next)) {
		c.Foreign++
		return
	}
	next, missed := &t.next[m.publisher], &t.missed[m.publisher]
	switch n := uint32(m.number); {
	case n == *next:
		*next++
	case n > *next:
		c.Lost += uint64(n - *next)
		*missed += n - *next
		*next = n + 1
	case *missed > 0:
		*missed--
		c.Lost--
		c.Reordered++
	default:
		c.Repeated++
	}
}

// Latency is a histogram of times, with eight steps for each doubling.
type Latency struct {
	counts [64 * 8]uint64
	n      uint64
	max    time.Duration
}

func (l *Latency) add(d time.Duration) {
	d = max(d, 0)
	l.n++
	l.max = max(l.max, d)
	us := uint64(d.Microseconds())
	power := 0
	for us>>power >= 16 {
		power++
	}
	l.counts[power*8+int(us>>power)] += 1
}

// At returns a quantile: the time that a share of all (0 to 1) does not exceed.
func (l *Latency) At(share float64) time.Duration {
	want := uint64(share * float64(l.n))
	var seen uint64
	for i, c := range l.counts {
		if seen += c; seen > want {
			power := max(0, i/8-1)
			return min(l.max, time.Duration(uint64(i-power*8)<<power)*time.Microsecond)
		}
	}
	return l.max
}
