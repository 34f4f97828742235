package traffic

import (
	"crypto/sha256"
	"strings"

	"sluice/broker"
	"sluice/store/share"
)

// FreeFilter is how many bytes a stream's filter may take without a charge. Most filters take less. It is a part of what
// every connection takes, which the number of connections bounds.
const FreeFilter = 4 << 10

// HoldFilter charges a filter's memory to its credential if it is more than the free bytes, once for all streams with the
// same filter. The caller releases the charge at the stream's end.
func (t *Traffic) HoldFilter(scope string, f *broker.Filter, free int64) (share.Charge, error) {
	n := f.Size()
	if n <= free {
		return share.Charge{}, nil
	}
	names := strings.Join(f.Names, ",")
	hash := sha256.Sum256([]byte("filter\n" + f.Channels.String() + "\n" + f.Stream + "\n" + names + "\n" + f.Choice)) // none but the last has a line end
	return t.Memory.TakeCommon(scope, hash, n)
}
