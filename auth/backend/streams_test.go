package backend

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth/grant"
)

// An answer that streams hold is asked for again before its end, once for all of them. Without streams it is not.
func TestRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann}
		b := open(t, a)
		var streams []*watched
		for range 1000 {
			streams = append(streams, watch(b.is(t, "ann", "42")))
		}
		b.is(t, "bob", "42") // without a stream
		if time.Sleep(54*time.Second + 1); a.asked() != 3 {
			t.Fatalf("%d questions before the end of the first answer", a.asked())
		}
		for minute := range 10 {
			time.Sleep(time.Minute)
			b.is(t, "ann", "42")
			if n := a.asked() - 3; n < minute+1 || n > minute*10/7+2 {
				t.Fatalf("after %d minutes: %d questions", minute+1, n)
			}
		}
		for _, s := range streams {
			if why, _ := s.ended(); why != "" {
				t.Fatal(why)
			}
			s.answer.Release()
		}
		before := a.asked()
		time.Sleep(time.Hour)
		if a.asked() != before {
			t.Errorf("%d questions without a stream", a.asked()-before)
		}
	})
}

// The questions of streams that came together are spread over a fifth of the ttl.
func TestRenewalsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann}
		b := open(t, a)
		for n := range 1200 {
			watch(b.is(t, fmt.Sprint(n), "42"))
		}
		time.Sleep(42*time.Second - 1)
		if n := a.asked(); n != 1200 {
			t.Errorf("%d questions before the time", n)
		}
		last := a.asked()
		for range 12 {
			time.Sleep(time.Second)
			if n := a.asked(); n-last > 200 {
				t.Errorf("%d questions in a second", n-last)
			} else {
				last = n
			}
		}
		if last != 2400 {
			t.Errorf("%d questions after the time", last)
		}
	})
}

// What the next answer means for streams that are open.
func TestNextAnswer(t *testing.T) {
	t.Parallel()
	const same = `{"subject":"42","sub":["b","a"],"pub":["c"],"rest":["GET:d"]}`
	for name, one := range map[string]struct {
		status int
		body   string
		want   grant.End
		next   string // what a request gets then
	}{
		"the same":            {200, same, "", "42"},
		"wider":               {200, `{"subject":"42","sub":["*"],"pub":["c","d"],"rest":["*"]}`, "", "42"},
		"another name":        {200, `{"subject":"42","name":"Anna","sub":["b","a"],"pub":["c"],"rest":["GET:d"]}`, "", "42"},
		"less to subscribe":   {200, `{"subject":"42","sub":["a","x","y"],"pub":["c"],"rest":["GET:d"]}`, "changed", "42"},
		"less to publish":     {200, `{"subject":"42","sub":["a","b"],"rest":["GET:d"]}`, "changed", "42"},
		"fewer documents":     {200, `{"subject":"42","sub":["a","b"],"pub":["c"],"rest":["POST:d"]}`, "changed", "42"},
		"nothing":             {200, `{"subject":"42"}`, "changed", "42"},
		"somebody else":       {200, `{"subject":"43","sub":["b","a"],"pub":["c"],"rest":["GET:d"]}`, "changed", "43"},
		"refused":             {401, `{"message":"gone"}`, "revoked", "gone"},
		"forbidden":           {403, `{"message":"no"}`, "revoked", "no"},
		"a fault":             {500, `{"message":"no"}`, "", "42"},
		"an answer of nobody": {200, `{"sub":["*"]}`, "", "42"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &app{status: 200, body: `{"subject":"42","name":"Ann","sub":["a","b"],"pub":["c"],"rest":["GET:d"],"ttl":"1m"}`}
				b := open(t, a)
				streams := []*watched{watch(b.is(t, "ann", "42")), watch(b.is(t, "ann", "42"))}
				a.says(one.status, one.body)
				time.Sleep(54*time.Second + 1)
				for _, s := range streams {
					if why, _ := s.ended(); why != one.want {
						t.Errorf("a stream ends by %q, want %q", why, one.want)
					}
				}
				before := a.asked()
				next := b.is(t, "ann", one.next)
				if one.status == 200 && a.asked() != before { // a refusal is remembered for seconds only
					t.Error("the new answer is not remembered")
				}
				if next != nil && one.status == 200 && one.body != same && next == streams[0].answer && one.want == "" && name != "an answer of nobody" {
					t.Error("requests get the answer of before")
				}
				for _, s := range streams {
					s.answer.Release()
				}
			})
		})
	}
}

// After a wider answer, one as wide as the first is narrower.
func TestNarrowerThanTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: `{"subject":"42","sub":["a"],"ttl":60}`}
		b := open(t, a)
		stream := watch(b.is(t, "ann", "42"))
		a.says(200, `{"subject":"42","sub":["a","b"],"ttl":60}`)
		time.Sleep(54 * time.Second)
		wider := watch(b.is(t, "ann", "42"))
		if why, _ := stream.ended(); why != "" || wider.answer.Sub.String() != "a,b" {
			t.Fatalf("%q, %s", why, wider.answer.Sub)
		}
		a.says(200, `{"subject":"42","sub":["a"],"ttl":60}`)
		time.Sleep(55 * time.Second)
		if why, _ := wider.ended(); why != grant.Changed {
			t.Errorf("%q", why)
		}
		stream.answer.Release()
		wider.answer.Release()
	})
}

// While the application is down, streams go on until AUTH_GRACE after the end of their answer, and the application is asked
// again and again. Requests get trouble once their answer has ended. When it is back in time, all goes on.
func TestGrace(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{0, 100 * time.Second} { // 0: never
		for _, takes := range []time.Duration{0, time.Hour} { // it refuses connections, or stalls
			synctest.Test(t, func(t *testing.T) {
				a := &app{status: 200, body: ann}
				b := open(t, a)
				started := time.Now()
				stream := watch(b.is(t, "ann", "42"))
				if a.mu.Lock(); takes > 0 {
					a.takes = takes
				}
				a.mu.Unlock()
				if takes == 0 {
					a.dies()
				}
				time.Sleep(59 * time.Second)
				b.is(t, "ann", "42")
				time.Sleep(time.Second)
				b.is(t, "ann", ErrTrouble.Error())
				if stream.answer.Over(time.Now()) {
					t.Error("the answer is over for what was let in before")
				}
				if back > 0 {
					time.Sleep(time.Until(started.Add(back)))
					a.mu.Lock()
					a.takes, a.err = 0, nil
					a.mu.Unlock()
				}
				time.Sleep(time.Until(started.Add(119 * time.Second)))
				if why, _ := stream.ended(); why != "" {
					t.Fatalf("it ended by %q", why)
				}
				asked := a.asked()
				if asked < 8 || asked > 60 {
					t.Errorf("%d questions", asked)
				}
				time.Sleep(2 * time.Second)
				why, at := stream.ended()
				if back == 100*time.Second {
					if why != "" {
						t.Errorf("it ended by %q", why)
					}
					b.is(t, "ann", "42")
				} else if took := at.Sub(started); why != grant.Expired || took != 2*time.Minute {
					t.Errorf("it ended by %q after %s", why, took)
				}
				stream.answer.Release()
				time.Sleep(time.Minute)
				asked = a.asked()
				time.Sleep(time.Hour)
				if a.asked() != asked {
					t.Error("it is asked without a stream")
				}
			})
		}
	}
}

// A request that was let in by an answer does nothing after its end, unless streams go on by it.
func TestOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, &app{status: 200, body: ann})
		answer := b.is(t, "ann", "42")
		if time.Sleep(time.Minute - 1); answer.Over(time.Now()) {
			t.Error("over before its end")
		}
		if time.Sleep(time.Nanosecond); !answer.Over(time.Now()) {
			t.Error("not over")
		}
	})
}

// At most 10,000 entries that no stream holds are remembered, those used last. Streams keep theirs.
func TestEntriesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann}
		b := open(t, a)
		held := watch(b.is(t, "held", "42"))
		b.is(t, "used", "42")
		b.is(t, "unused", "42")
		for n := range maxIdle - 1 {
			b.is(t, fmt.Sprint(n), "42")
			b.is(t, "used", "42")
		}
		if s := b.Stats(); s.Remembered != maxIdle+1 {
			t.Errorf("%+v", s)
		}
		before := a.asked()
		if before != maxIdle+2 {
			t.Errorf("%d questions: what was used just now was dropped", before)
		}
		b.is(t, "held", "42")
		b.is(t, "used", "42")
		if a.asked() != before {
			t.Error("what is held or was used was dropped")
		}
		if b.is(t, "unused", "42"); a.asked() != before+1 {
			t.Error("what was used longest ago was not dropped")
		}
		held.answer.Release()
		if n := b.idle.Len(); n != maxIdle {
			t.Errorf("%d are idle", n)
		}
	})
}

// Entries have a bound in bytes. Where streams hold as much, no new question is asked.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{status: 200, body: ann}
		b := open(t, a, func(o *Options) { o.Memory = 40_000 })
		for n := range 100 {
			if b.is(t, fmt.Sprint("idle", n), "42"); b.bytes > 40_000 {
				t.Fatalf("%d bytes", b.bytes)
			}
		}
		if n := len(b.entries); n < 8 || n > 18 {
			t.Errorf("%d entries", n)
		}
		var streams []*watched
		for n := 0; ; n++ {
			answer, what := b.outcome(of(fmt.Sprint("held", n)))
			if answer == nil {
				if what != ErrTrouble.Error() || n < 8 || n > 18 {
					t.Errorf("%d streams, then %q", n, what)
				}
				break
			}
			streams = append(streams, watch(answer))
		}
		for _, s := range streams {
			if why, _ := s.ended(); why != "" {
				t.Error(why)
			}
			s.answer.Release()
		}
		b.is(t, "again", "42")
	})
}

// A stream whose entry was dropped since its request was let in ends at once, and so gets the answer of now.
func TestHeldTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, &app{status: 200, body: ann})
		late := b.is(t, "ann", "42")
		late.Forget()
		stream := watch(late)
		synctest.Wait()
		if why, _ := stream.ended(); why != grant.Changed {
			t.Errorf("%q", why)
		}
		late.Release()
		b.is(t, "ann", "42")
		if n := len(b.entries); n != 1 || b.bytes != b.entries[b.idle.Front().Value.(*entry).key].bytes {
			t.Errorf("%d entries, %d bytes", n, b.bytes)
		}
	})
}

// What counts no more goes as others come, so that what was sent does not stay in memory.
func TestPurge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, &app{status: 200, body: ann})
		for n := range 100 {
			b.is(t, fmt.Sprint("old", n), "42")
		}
		time.Sleep(time.Minute)
		for n := range 60 {
			b.is(t, fmt.Sprint("new", n), "42")
		}
		if n := len(b.entries); n != 60 {
			t.Errorf("%d entries", n)
		}
	})
}
