package query

import (
	"fmt"
	"strings"
	"testing"
)

// A number may be long while its key is short. A group counts the number.
func TestLongNumbersAreCounted(t *testing.T) {
	t.Parallel()
	n, err := ParseField("n")
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAggregation([]Field{n}, []Aggregate{{Func: Count}})
	if err != nil {
		t.Fatal(err)
	}
	zeros := strings.Repeat("0", 60<<10)
	for i := 0; err == nil && i < 1000; i++ {
		err = a.Add(fmt.Appendf(nil, `{"n":%d.%s}`, i, zeros))
	}
	if err == nil {
		t.Errorf("%d groups of 60 KiB were taken", len(a.groups))
	}
}
