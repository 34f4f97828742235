package wsread

import (
	"testing"
	"testing/synctest"
	"time"
)

// lease contains panics as a lease of traffic does.
type lease struct{ cause any }

func (l *lease) Contain() {
	if cause := recover(); cause != nil {
		l.cause = cause
	}
}

// TestTimerContainsPanics: a panic of the timer that cuts off a half-sent message ends the socket, and not the process.
func TestTimerContainsPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l lease
		r := New(nil, nil, time.Minute, func() { panic("in cut") }, l.Contain)
		defer r.Close()
		r.begin()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if l.cause != "in cut" {
			t.Errorf("the lease got %v", l.cause)
		}
	})
}
