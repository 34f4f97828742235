package realtime

import (
	"testing"
	"time"
)

// The more connections a gateway has, the longer their return is spread: 500 a second.
func TestDrainRetryOfManyConnections(t *testing.T) {
	t.Parallel()
	for connections, most := range map[int]time.Duration{0: 11 * time.Second, 5_000: 11 * time.Second, 50_000: 101 * time.Second} {
		lower := 0
		const draws = 1000
		for range draws {
			retry := drainRetry(connections)
			if retry < time.Second || retry > most {
				t.Fatalf("%d connections: %s", connections, retry)
			}
			if retry < (time.Second+most)/2 {
				lower++
			}
		}
		if lower < draws/3 || lower > draws*2/3 {
			t.Errorf("%d connections: %d of %d retries are below the middle", connections, lower, draws)
		}
	}
}
