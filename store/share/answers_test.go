package share

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// reader is a client that reads at a fixed number of bytes a second.
type reader struct {
	since time.Time
	speed float64
	first int64 // what fits into the socket's buffer
	cut   bool
}

func (r *reader) Written() int64 {
	return r.first + int64(r.speed*time.Since(r.since).Seconds())
}

func (r *reader) Cut() { r.cut = true }

// TestSlowReaders: while others are refused, a client that reads too slowly is cut off after a grace, and no other
// client.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		owner   string
		speed   float64
		first   int64
		refused string        // who asks for memory
		cut     time.Duration // when it is cut off, if somebody asks every second; 0: not within 50 seconds
	}{
		{"one that stands still", "ann", 0, 0, "cid", 6 * time.Second},
		{"one with a large buffer", "ann", 0, 4 << 20, "cid", 6 * time.Second},
		{"slow", "ann", 1 << 10, 0, "cid", 6 * time.Second},
		{"fast enough", "ann", 20 << 10, 0, "cid", 0},
		{"of the one who is refused", "ann", 0, 0, "ann", 6 * time.Second},
		{"of an owner who is not", "ann", 0, 0, "ben", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := NewAnswers(100, 180)
				conn := &reader{since: time.Now(), speed: tt.speed}
				slow := a.Open(WithConn(With(context.Background(), tt.owner), conn))
				if err := slow.Take(90); err != nil {
					t.Fatal(err)
				}
				slow.Send()
				conn.first = tt.first
				other := a.Open(With(context.Background(), "ben"))
				if err := other.Take(90); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				for time.Since(began) < 50*time.Second && !conn.cut {
					time.Sleep(time.Second)
					if a.Open(With(context.Background(), tt.refused)).Take(20) == nil {
						t.Fatal("it was not refused")
					}
				}
				got := time.Since(began)
				if conn.cut && got < grace {
					t.Errorf("cut after %s, and before its grace was over", got)
				}
				if conn.cut != (tt.cut != 0) || tt.first == 0 && conn.cut && got > tt.cut || conn.cut && got > 2*tt.cut {
					t.Errorf("cut %v after %s", conn.cut, got)
				}
				slow.Close()
				other.Close()
				other.Close()
				if a.Held() != 0 || len(a.sending) != 0 {
					t.Errorf("left behind: %d bytes, %d answers", a.Held(), len(a.sending))
				}
			})
		})
	}
}

// TestOldAnswers: an answer that takes longer than a minute is cut off when its memory is needed, at any speed.
func TestOldAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := NewAnswers(100, 100)
		conn := &reader{since: time.Now(), speed: 1 << 20}
		one := a.Open(WithConn(With(context.Background(), "ann"), conn))
		if err := one.Take(100); err != nil {
			t.Fatal(err)
		}
		one.Send()
		time.Sleep(time.Hour)
		if conn.cut {
			t.Error("nobody needs its memory")
		}
		if a.Open(context.Background()).Take(1) == nil || !conn.cut {
			t.Error("it was not cut off")
		}
	})
}
