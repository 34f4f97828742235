package eventlog

import "testing"

// TestSizeOfSharedBytes: a row that is a part of an event's data or meta takes no memory of its own. A row that only has
// the same bytes, or the same array, does.
func TestSizeOfSharedBytes(t *testing.T) {
	t.Parallel()
	data, meta := make([]byte, 100), make([]byte, 1000)
	array := make([]byte, 300)
	of := func(value []byte) int {
		r := Request{Events: []Event{{Data: data}, {Data: array[100:200], Meta: meta}}, Rows: []Row{{Value: value}, {Value: value}}}
		return r.Size() - (100 + 100 + 1000 + 2*64)
	}
	for name, c := range map[string]struct {
		value []byte
		want  int
	}{
		"the data":                   {data, 100}, // that of the event with the same index; the second row is not
		"a part of the meta":         {meta[10:20], 0},
		"the end of the meta":        {meta[900:], 0},
		"the meta":                   {meta, 0},
		"other bytes":                {make([]byte, 100), 200},
		"beyond the data":            {array[200:], 200},
		"from before the data":       {array[50:150], 200},
		"more than the data":         {array[100:], 400},
		"a part without a known end": {meta[10:20:20], 20},
		"no row":                     {nil, 0},
		"an empty row":               {[]byte{}, 0},
	} {
		if got := of(c.value); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
	r := Request{Rows: []Row{{Key: "key", Value: data}}}
	if got := r.Size(); got != 103 {
		t.Errorf("without events: %d", got)
	}
}
