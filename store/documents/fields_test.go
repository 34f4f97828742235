package documents_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A request may have 100,000 fields. Looking each up in a list took half a minute.
func TestMergeManyFields(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, `,"k%05d":1`, i)
	}
	start := time.Now()
	many := fields(t, "{"+text.String()[1:]+"}")
	reading := time.Since(start)
	own := fields(t, `{"a":0,"k00007":0}`)
	start = time.Now()
	own.Merge(many)
	if took := time.Since(start); took > 20*reading {
		t.Errorf("%s to merge what was read in %s", took, reading)
	}
	if n := len(own.Names()); n != 100_001 || string(own.Get("k00007")) != "1" || own.Names()[1] != "k00007" {
		t.Error(n, own.Names()[:3])
	}
}
