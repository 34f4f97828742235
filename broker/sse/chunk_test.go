package sse

import (
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"time"
)

// TestChunks: another reader reads chunks with heads of every length correctly.
func TestChunks(t *testing.T) {
	var body, want []byte
	for _, n := range []int{1, 9, 15, 16, 17, 255, 256, 4095, 4096, 65535, 65536, 1 << 20} {
		text := strings.Repeat("x", n)
		at := len(body)
		body = EndChunk(append(BeginChunk(body), text...), at)
		want = append(want, text...)
	}
	at := len(body)
	body = EndChunk(BeginChunk(body), at)
	frame := Frame(&Published{ID: 53, Name: "goal", Custom: true, Data: []byte(`1`)}, FramesName, time.Second)
	body = append(append(body, frame.Chunk()...), LastChunk...)
	want = append(want, frame.Bare()...)
	got, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v; want %d", len(got), err, len(want))
	}
}
