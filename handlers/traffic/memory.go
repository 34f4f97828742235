package traffic

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/share"
)

// FreeFilter is what the filter of a stream may take without being charged, as most do: it is a part of what every
// connection takes, which the number of connections bounds.
const FreeFilter = 4 << 10

// HoldFilter charges what a filter takes to its credential, if that is more than some bytes, once for all streams with
// the same filter. The caller calls release at the stream's end; it is nil where nothing was charged.
func (t *Traffic) HoldFilter(scope string, f *broker.Filter, free int64) (release func(), err error) {
	n := f.Size()
	if n <= free {
		return nil, nil //nolint:nilnil // there is nothing to give back
	}
	names := strings.Join(f.Names, ",")
	hash := sha256.Sum256([]byte("filter\n" + f.Channels.String() + "\n" + f.Stream + "\n" + names + "\n" + f.Choice)) // none but the last has a line end
	if release, err = t.Memory.TakeCommon(scope, hash, n); err != nil {
		return nil, MemoryFull(err)
	}
	return release, nil
}

// MemoryFull returns the answer to who holds too much memory; other errors as they are.
func MemoryFull(err error) error {
	if err == nil {
		return nil
	}
	var full *share.FullError
	switch {
	case !errors.As(err, &full):
		return err
	case full.All:
		return httperr.New(http.StatusServiceUnavailable, httperr.MemoryFull,
			"all clients together hold as much memory as MAX_CLIENT_MEMORY allows, %d bytes; try again later", full.Limit).After(5 * time.Second)
	}
	return httperr.New(http.StatusTooManyRequests, httperr.MemoryFullPerKey,
		"this credential (without one, this address) holds as much memory as MAX_MEMORY_PER_KEY allows, %d bytes; end connections or subscriptions, or send less", full.Limit).After(5 * time.Second)
}
