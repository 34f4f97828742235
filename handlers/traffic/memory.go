package traffic

import (
	"crypto/sha256"
	"strings"

	"sluice/broker"
)

// FreeFilter is what the filter of a stream may take without being charged, as most do: it is a part of what every
// connection takes, which the number of connections bounds.
const FreeFilter = 4 << 10

// HoldFilter charges what a filter takes to its credential, if that is more than some bytes, once for all streams with
// the same filter. The caller calls release at the stream's end; it is nil where nothing was charged.
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
