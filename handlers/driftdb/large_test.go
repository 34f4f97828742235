package driftdb

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"
	"github.com/fxamacker/cbor/v2"
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
		h := &Handler{large: make(chan struct{}, 2)}
		h.large <- struct{}{}
		h.large <- struct{}{}
		read := 0
		go func() {
			if m, err := h.decode(websocket.MessageBinary, large); err != nil || m.kind != kindGet {
				t.Error(m, err)
			}
			read++
		}()
		synctest.Wait()
		if read != 0 {
			t.Error("it did not wait")
		}
		if m, err := h.decode(websocket.MessageBinary, frame(100)); err != nil || m.kind != kindGet {
			t.Error("a small one:", m, err)
		}
		<-h.large
		synctest.Wait()
		if read != 1 || len(h.large) != 1 {
			t.Error("it waits for ever, or keeps its turn")
		}
	})
}
