package traffic

import (
	"crypto/sha256"
	"strings"

	"sluice/broker"
)

// FreeFilter is how many bytes a stream's filter may take without a charge. Most filters take less. It is a part of what
// every connection takes, which the number of connections bounds.
const FreeFilter = 4 << 10

// HoldFilter charges a filter's memory to its credential if it is more than the free bytes, once for all streams with the
// same filter. The caller calls release at the stream's end; it is nil if nothing was charged.
func (t *Traffic) HoldFilter(scope string, f *broker.Filter, free int64) (release func(), err error) {
	n := f.Size()
	if n <= free {
		return nil, nil // there is nothing to give back
	}
	names := strings.Join(f.Names, ",")
	hash := sha256.Sum256([]byte("filter\n" + f.Channels.String() + "\n" + f.Stream + "\n" + names + "\n" + f.Choice)) // none but the last has a line end
	if release, err = t.Memory.TakeCommon(scope, hash, n); err != nil {
		return nil, err
	}
	return release, nil
}
