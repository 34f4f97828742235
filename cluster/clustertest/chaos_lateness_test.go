//go:build linux

package clustertest_test

import "time"

// lateEvery is how often a process that is cut off does something that the next thing waits for: questions and their answers,
// looks at the clock.
const lateEvery = 100 * time.Millisecond

// lateness measures how late the processes of this machine get their turns, by a chain of short waits: how much longer they take
// in all. On a machine with nothing else to do, that is a few milliseconds in five seconds.
type lateness struct {
	stop chan struct{}
	late chan time.Duration
}

func measureLateness() lateness {
	l := lateness{make(chan struct{}), make(chan time.Duration, 1)}
	go func() { // until end
		var late time.Duration
		for {
			began := time.Now()
			select {
			case <-l.stop:
				l.late <- late
				return
			case <-time.After(lateEvery):
				late += time.Since(began) - lateEvery
			}
		}
	}()
	return l
}

// end ends the measurement, and returns how late the machine was in all.
func (l lateness) end() time.Duration {
	close(l.stop)
	return <-l.late
}
