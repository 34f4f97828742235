package eventlog

import (
	"errors"
	"fmt"
	"testing"
)

// Owners with many idempotency keys leave a quarter of all keys to owners with few.
func TestIdempotencyKeysShared(t *testing.T) {
	t.Parallel()
	table := newAnswers()
	const most = 400
	fill := func(owner string) (n int) {
		for ; ; n++ {
			o := &Once{MostInAll: most, MostPerOwner: 128}
			o.Key, o.Owner = hashKey(owner, fmt.Sprint(n))
			a, err := table.decide(o, 0, nil)
			if errors.Is(err, ErrTooManyKeys) {
				return n
			}
			if err != nil || a != nil {
				t.Fatalf("%s: key %d: %v, %v", owner, n, a, err)
			}
			table.add(Answer{First: uint64(n + 1), Count: 1, Key: o.Key, Owner: o.Owner})
		}
	}
	for _, want := range []int{128, 128, 44, 2, 2} { // few means a 64th of 128
		if got := fill(fmt.Sprint("owner ", len(table.owners))); got != want {
			t.Errorf("owner %d has %d keys, not %d", len(table.owners), got, want)
		}
	}
	for n := 0; len(table.by) < most; n++ {
		if got := fill(fmt.Sprint("another ", n)); got == 0 {
			t.Fatalf("%d keys in all, and one more owner gets none", len(table.by))
		}
	}
	if got := fill("too late"); got != 0 {
		t.Errorf("%d keys beyond the bound", got)
	}
}
