package driftdb

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"
	"github.com/fxamacker/cbor/v2"

	"sluice/store/share"
)

// Large frames of CBOR are read a few at once: each takes a hundred times its length for a moment.
func TestLargeFramesTakeTurns(t *testing.T) {
	t.Parallel()
	frame := func(n int) []byte {
		text, err := cbor.Marshal(map[string]any{"type": "get", "key": "k", "more": strings.Repeat("x", n)})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	large := frame(largeFrame)
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{large: share.NewSlots(2, 10)}
		var taken []*share.Slot
		for range 2 {
			slot, err := h.large.Take(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, slot)
		}
		read := 0
		go func() {
			if m, err := h.decode(t.Context(), websocket.MessageBinary, large); err != nil || m.kind != kindGet {
				t.Error(m, err)
			}
			read++
		}()
		synctest.Wait()
		if read != 0 {
			t.Error("it did not wait")
		}
		if m, err := h.decode(t.Context(), websocket.MessageBinary, frame(100)); err != nil || m.kind != kindGet {
			t.Error("a small one:", m, err)
		}
		taken[0].Release()
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.large.Take(gone, 1); read != 1 || err != nil {
			t.Error("it waits for ever, or keeps its turn")
		}
	})
}
