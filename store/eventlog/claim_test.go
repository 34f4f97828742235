package eventlog

import (
	"errors"
	"fmt"
	"testing"
)

// Owners with many idempotency keys leave a quarter of all keys to owners with few.
func TestIdempotencyKeysShared(t *testing.T) {
	t.Parallel()
	table := newAnswers(NewClock(System(), 0, nil))
	table.mostInAll, table.mostPerUser = 400, 128
	fill := func(owner string) (n int) {
		for ; ; n++ {
			k, o := hashKey(owner, fmt.Sprint(n))
			claim, _, err := table.claim(k, o, [32]byte{})
			if errors.Is(err, ErrTooManyKeys) {
				return n
			}
			if err != nil || claim == nil {
				t.Fatalf("%s: key %d: %v, %v", owner, n, claim, err)
			}
		}
	}
	for _, want := range []int{128, 128, 44, 2, 2} { // few means a 64th of 128
		if got := fill(fmt.Sprint("owner ", len(table.owners))); got != want {
			t.Errorf("owner %d has %d keys, not %d", len(table.owners), got, want)
		}
	}
	for n := 0; len(table.claims) < table.mostInAll; n++ {
		if got := fill(fmt.Sprint("another ", n)); got == 0 {
			t.Fatalf("%d keys in all, and one more owner gets none", len(table.claims))
		}
	}
	if got := fill("too late"); got != 0 {
		t.Errorf("%d keys beyond the bound", got)
	}
}
