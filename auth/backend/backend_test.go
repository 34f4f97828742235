package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A thousand clients that come at once with one session are one question, also if the first of them goes away. What was
// answered is remembered for its ttl, and no question is asked meanwhile.
func TestOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann, takes: time.Second}
		b := open(t, a)
		first, leave := context.WithCancel(context.Background())
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := b.Ask(first, of("ann"), free{}); !errors.Is(err, context.Canceled) {
				t.Errorf("the first: %v", err)
			}
		})
		synctest.Wait()
		for range 999 {
			group.Go(func() {
				if _, got := b.outcome(of("ann")); got != "42" {
					t.Error(got)
				}
			})
		}
		synctest.Wait()
		leave()
		group.Wait()
		time.Sleep(58 * time.Second)
		b.is(t, "ann", "42")
		if n := a.asked(); n != 1 {
			t.Errorf("%d questions", n)
		}
		time.Sleep(time.Second) // a minute after the question
		b.is(t, "ann", "42")
		if n := a.asked(); n != 2 {
			t.Errorf("%d questions after the ttl", n)
		}
	})
}

// Everything that is sent makes another question.
func TestKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann}
		b := open(t, a)
		questions := []*Question{of("ann"), of("bob")}
		for _, change := range []func(*Question){
			func(q *Question) { q.From = "192.0.2.2" }, func(q *Question) { q.Method = "POST" }, func(q *Question) { q.Path = "/rest/a" },
			func(q *Question) { q.Host = "other.example" }, func(q *Question) { q.Proto = "http" }, func(q *Question) { q.Header = nil },
			func(q *Question) { q.Header = http.Header{"Authorization": {"session=ann"}} },
			func(q *Question) { q.Header = http.Header{"Cookie": {"session=ann", ""}} },
			func(q *Question) { q.Header = http.Header{"Cookie": {"session=", "ann"}} },
			func(q *Question) { q.Method, q.Path = "GET/", "realtime" },
		} {
			q := of("ann")
			change(q)
			questions = append(questions, q)
		}
		for n, q := range questions {
			b.outcome(q)
			if b.outcome(q); a.asked() != n+1 {
				t.Errorf("question %d: %d were asked", n, a.asked())
			}
		}
		same := of("ann")
		same.Header.Set("X-Other", "is not sent")
		if b.outcome(same); a.asked() != len(questions) {
			t.Error("a header that is not sent makes another question")
		}
	})
}

// A refusal is remembered for five seconds, trouble for one.
func TestRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 401, body: `{"message":"sign in"}`}
		b := open(t, a)
		for _, one := range []struct {
			after time.Duration
			asked int
		}{{0, 1}, {4999 * time.Millisecond, 1}, {time.Millisecond, 2}} {
			time.Sleep(one.after)
			if b.is(t, "ann", "sign in"); a.asked() != one.asked {
				t.Errorf("%+v: %d questions", one, a.asked())
			}
		}
		a.dies()
		for _, one := range []struct {
			after time.Duration
			asked int
		}{{0, 3}, {999 * time.Millisecond, 3}, {time.Millisecond, 4}} {
			time.Sleep(one.after)
			if b.is(t, "bob", ErrTrouble.Error()); a.asked() != one.asked {
				t.Errorf("%+v: %d questions", one, a.asked())
			}
		}
	})
}

// AUTH_CONCURRENCY questions are asked at a time. Others wait as long as AUTH_TIMEOUT, and addresses take turns.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann, takes: time.Second}
		b := open(t, a, func(o *Options) { o.Concurrency = 4 })
		var group sync.WaitGroup
		var mu sync.Mutex
		got := map[string]int{}
		for n := range 100 {
			group.Go(func() {
				_, what := b.outcome(of(fmt.Sprint("flood", n)))
				mu.Lock()
				defer mu.Unlock()
				got[what]++
			})
		}
		synctest.Wait()
		if s := b.Stats(); s.Asking != 4 || s.Waiting != 96 {
			t.Errorf("%+v", s)
		}
		other := of("other")
		other.From = "198.51.100.1"
		started := time.Now()
		if _, what := b.outcome(other); what != "42" || time.Since(started) != 2*time.Second {
			t.Errorf("another address gets %s after %s", what, time.Since(started))
		}
		group.Wait()
		if a.most != 4 {
			t.Errorf("%d at a time", a.most)
		}
		// Four a second for three seconds, and those whose turn comes at the end of the third.
		if got["42"] < 11 || got["42"] > 15 || got["42"]+got[ErrTrouble.Error()] != 100 {
			t.Errorf("%v", got)
		}
		if s := b.Stats(); s.Asking != 0 || s.Waiting != 0 || s.Failed != uint64(got[ErrTrouble.Error()]) {
			t.Errorf("%+v", s)
		}
	})
}

// A question without an answer in AUTH_TIMEOUT is trouble, and ends then.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann, takes: time.Hour}
		b := open(t, a)
		started := time.Now()
		if b.is(t, "ann", ErrTrouble.Error()); time.Since(started) != 3*time.Second {
			t.Errorf("after %s", time.Since(started))
		}
	})
}

// A question of more than 16 KiB is not asked.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann}
		b := open(t, a)
		const most = 16 << 10
		for _, large := range []*Question{of(strings.Repeat("x", most)), {Path: strings.Repeat("x", most)}, {Host: strings.Repeat("x", most)}} {
			if _, got := b.outcome(large); got != ErrTooLarge.Error() {
				t.Error(got)
			}
		}
		if b.is(t, strings.Repeat("x", most-200), "42"); a.asked() != 1 {
			t.Errorf("%d questions", a.asked())
		}
	})
}

// tried is an address that has a number of tries.
type tried struct {
	mu               sync.Mutex
	left             int
	granted, refused []Key
}

func (t *tried) Wait(Key) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left > 0 {
		return 0
	}
	return time.Second
}

func (t *tried) Refused(k Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left--
	t.refused = append(t.refused, k)
}

func (t *tried) Granted(k Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.granted = append(t.granted, k)
}

// Each question that is refused costs its address a try, and one without tries asks nothing. What was refused a moment ago
// costs nothing. The headers alone stand for a session.
func TestTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 403, body: `{"error":"no"}`}
		b := open(t, a)
		tries := &tried{left: 3}
		for n, want := range []string{"no", "no", "no", "too many refusals", "too many refusals"} {
			q := of(fmt.Sprint(n))
			for range 2 {
				if _, err := b.Ask(context.Background(), q, tries); err == nil || err.Error() != want {
					t.Errorf("question %d: %v", n, err)
				}
			}
		}
		if a.asked() != 3 || len(tries.refused) != 3 || tries.refused[0] == tries.refused[1] {
			t.Errorf("%d questions, %d refused", a.asked(), len(tries.refused))
		}
		a.says(200, ann)
		tries.left = 1
		for _, path := range []string{"/realtime", "/rest/a"} {
			q := of("ann")
			q.Path = path
			if _, err := b.Ask(context.Background(), q, tries); err != nil {
				t.Error(err)
			}
		}
		if len(tries.granted) != 2 || tries.granted[0] != tries.granted[1] || tries.left != 1 {
			t.Errorf("%+v", tries)
		}
	})
}

// An answer that may be older than a revocation of its subject is asked for again when one cannot be.
func TestOlderThanRevocation(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		revoked time.Duration // after the start: answers to questions until then are too old
		want    string
		asked   int
		after   time.Duration
	}{
		{-1, "42", 1, 0}, {0, "42", 2, 1}, {800 * time.Millisecond, "42", 2, 800*time.Millisecond + 1}, {time.Hour, ErrTrouble.Error(), 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &app{status: 200, body: ann}
			started := time.Now()
			revoked := started.Add(one.revoked)
			b := open(t, a, func(o *Options) {
				o.Stale = func(subject string, asked time.Time) time.Duration {
					if subject != "42" || asked.After(revoked) {
						return 0
					}
					return time.Until(revoked) + 1
				}
			})
			b.is(t, "ann", one.want)
			if a.asked() != one.asked || time.Since(started) != one.after {
				t.Errorf("%+v: %d questions, %s", one, a.asked(), time.Since(started))
			}
		})
	}
}

// A panic of what makes identities is trouble of that question alone.
func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann}
		b := open(t, a, func(o *Options) {
			o.Stale = func(subject string, _ time.Time) time.Duration {
				if subject == "13" {
					panic("13")
				}
				return 0
			}
		})
		b.is(t, "ann", "42")
		a.says(200, `{"subject":"13"}`)
		b.is(t, "bob", ErrTrouble.Error())
		b.is(t, "ann", "42")
		a.says(200, ann)
		time.Sleep(time.Second)
		b.is(t, "bob", "42")
	})
}

// Close ends questions, and nothing is asked after it.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann}
		b := open(t, a)
		stream := watch(b.is(t, "ann", "42"))
		a.takes = time.Hour
		asked := make(chan string)
		go func() {
			_, got := b.outcome(of("bob"))
			asked <- got
		}()
		synctest.Wait()
		b.Close()
		if got := <-asked; got != ErrTrouble.Error() {
			t.Error(got)
		}
		b.is(t, "eve", ErrTrouble.Error())
		time.Sleep(time.Hour)
		if why, _ := stream.ended(); a.asked() != 2 || why != "" {
			t.Errorf("%d questions, the stream ended by %q", a.asked(), why)
		}
		stream.answer.Release()
	})
}
