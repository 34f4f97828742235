package admin

import (
	"testing"
	"testing/synctest"
	"time"
)

// The samples of an hour take a bounded place: every second of the last five minutes, and every ten seconds before.
func TestRecent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecent()
		if list := r.list(); len(list) != 0 {
			t.Errorf("%v", list)
		}
		const most = 2*60*60 + 7
		for n := range most {
			time.Sleep(time.Second)
			r.add(sample{Age: time.Since(r.began).Seconds(), Seconds: 1, Connections: n, Events: 2, Deliveries: 3, LagMS: int64(n % 10), LogBytes: int64(n), RSS: 5})
		}
		list := r.list()
		age, events := 0.0, 0.0
		for i := range list {
			s := list[len(list)-1-i]
			switch {
			case i < fineKept && (s.Age != float64(i) || s.Seconds != 1 || s.Events != 2 || s.Deliveries != 3 || s.Connections != most-1-i):
				t.Errorf("%d: %+v", i, s)
			case i >= fineKept && (s.Age-age < 1 || s.Age-age > 10 || s.Seconds != 10 || s.Events != 20 || s.Deliveries != 30 || s.LagMS != 9):
				t.Errorf("%d: %+v after %f", i, s, age)
			}
			age, events = s.Age, events+s.Events
		}
		if len(r.fine.all) != fineKept || len(r.rough.all) != roughKept || age < 3590 || age > 3610 {
			t.Errorf("%d and %d samples, the oldest is %f s old", len(r.fine.all), len(r.rough.all), age)
		}
	})
}

// Samples of several gateways belong together by their age, whatever their length.
func TestSumOfSamples(t *testing.T) {
	t.Parallel()
	at := func(age, seconds float64, n int) sample {
		return sample{Age: age, Seconds: seconds, Connections: n, Events: seconds * float64(n), Deliveries: uint64(seconds) * uint64(n), LagMS: int64(n), RSS: 7}
	}
	own := []sample{at(30, 10, 1), at(20, 10, 1), at(1, 1, 1), at(0, 1, 1)}
	got := sumOfSamples(own, [][]sample{
		{at(20.4, 10, 10), at(0.6, 1, 20), at(-0.4, 1, 30)},
		{}, // it has just started
		{at(0, 1, 100)},
	})
	want := []sample{at(30, 10, 1), at(20, 10, 11), at(1, 1, 21), at(0, 1, 31+100)}
	want[1].LagMS, want[2].LagMS, want[3].LagMS = 10, 20, 100
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%d: %+v, want %+v", i, got[i], want[i])
		}
	}
}
