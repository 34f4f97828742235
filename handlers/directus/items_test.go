package directus

import (
	"runtime"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// Too many elements are refused by their number: reading each of them would take a hundred times the memory of its text.
// It measures the memory of the whole process, so it does not run in parallel.
func TestTooManyElementsAreNotRead(t *testing.T) {
	c := &caller{}
	for name, f := range map[string]func(gjson.Result) error{
		"create": func(v gjson.Result) error { _, _, err := c.create(v); return err },
		"update": func(v gjson.Result) error { _, err := c.updateEach(v); return err },
		"ids":    func(v gjson.Result) error { _, err := idsOf(v); return err },
	} {
		v := gjson.Parse("[{}" + strings.Repeat(",{}", 1<<18) + "]")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := f(v)
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; err == nil || taken > 1<<20 {
			t.Errorf("%s: %v, with %d bytes taken", name, err, taken)
		}
	}
}
