package eventlog

import "testing"

// Once they are stored, the row cache forgets the rows of keyed spaces, and their bytes. It keeps the others.
func TestRowCacheForgetsKeyed(t *testing.T) {
	t.Parallel()
	var k rowCache
	k.set("db/d/a", []byte("1"))
	bytes := k.bytes
	stored := []Row{{Key: "db/d/b", Value: []byte("1")}, row("$room/a", 1, 2), row("$room/b", 1, 2), {Key: keyedRow + "$room/c"}}
	for _, r := range stored {
		k.set(r.Key, r.Value)
	}
	k.forgetKeyed(append(stored, row("$room/unknown", 1, 2)))
	if len(k.rows) != 2 || k.rows["db/d/a"] == nil || k.rows["db/d/b"] == nil || k.bytes != 2*bytes {
		t.Errorf("it has %q, of %d bytes; want %d", k.rows, k.bytes, 2*bytes)
	}
}
