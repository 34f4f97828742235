package writers

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/store/share"
)

// TestCharge: bytes that a slow client leaves unwritten are charged above freeUnsent, and refunded.
func TestCharge(t *testing.T) {
	t.Parallel()
	memory := share.NewMemory(1<<20, 2<<20)
	c := &Config{Memory: memory}
	key := &Stream{Identity: &auth.Identity{Scope: "key"}}
	room := &Stream{Identity: &auth.Identity{}, From: "2001:db8::1"}
	neighbour := &Stream{Identity: &auth.Identity{}, From: "2001:db8::2"}
	for _, step := range []struct {
		name string
		of   *Stream
		n    int
		want bool
		held int64
	}{
		{"a batch", key, freeUnsent, true, 0},
		{"much", key, 600_000, true, 600_000},
		{"less of the same", key, 500_000, true, 600_000},
		{"more of the same", key, 1 << 20, true, 1 << 20},
		{"too much", key, 1<<20 + 1, false, 1 << 20},
		{"a room's", room, 600_000, true, 1<<20 + 600_000},
		{"of the same network", neighbour, 600_000, false, 1<<20 + 600_000},
		{"a batch of the same network", neighbour, freeUnsent, true, 1<<20 + 600_000},
	} {
		if got := step.of.charge(c, step.n); got != step.want || memory.Held() != step.held {
			t.Errorf("%s: %v, %d held; want %v, %d", step.name, got, memory.Held(), step.want, step.held)
		}
	}
	for _, s := range []*Stream{key, room, neighbour} {
		s.refund()
		s.refund()
	}
	if memory.Held() != 0 {
		t.Errorf("%d bytes are not given back", memory.Held())
	}
}

// TestGather: where there is no room to gather, what has come is written at once, and the stream goes on.
func TestGather(t *testing.T) {
	t.Parallel()
	memory := share.NewMemory(200<<10, 1<<20)
	out := &bytes.Buffer{}
	g := testStream(t, out, memory, 1<<20)
	want := 0
	for range 20 {
		if err := g.write(make([]byte, batchBytes)); err != nil {
			t.Fatal(err)
		}
		want += batchBytes
		if memory.Held() > 200<<10 || len(g.gathered) > 200<<10 {
			t.Fatalf("%d bytes are gathered, %d charged", len(g.gathered), memory.Held())
		}
	}
	if err := g.writeNotice(nil); err != nil {
		t.Fatal(err)
	}
	if out.Len() != want || memory.Held() != 0 {
		t.Errorf("%d bytes of %d written, %d held", out.Len(), want, memory.Held())
	}
}

// counter is an Observer of nothing.
type counter struct{}

func (counter) Wrote(int)               {}
func (counter) Delivered(time.Duration) {}
func (counter) Descriptor(int)          {}

// recorder is a connection that takes everything.
type recorder struct {
	*httptest.ResponseRecorder
	out *bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) { return r.out.Write(b) }

func testStream(t *testing.T, out *bytes.Buffer, memory *share.Memory, batch int) *goroutineStream {
	t.Helper()
	w := echo.NewResponse(&recorder{httptest.NewRecorder(), out}, echo.New())
	return &goroutineStream{
		Stream: &Stream{Identity: &auth.Identity{Scope: "key"}, Batch: batch},
		config: &Config{Memory: memory, Observer: counter{}}, w: w.Writer, rc: http.NewResponseController(w.Writer),
		stalled: newStalled(func() bool { return false }, func() {}, nil, 0),
	}
}
