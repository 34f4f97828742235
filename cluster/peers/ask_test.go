package peers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/cluster/peers"
)

func echo(_ context.Context, body []byte) ([]byte, error) { return body, nil }

// serve has a node answer.
func (m *member) serve(t *testing.T, what string, f func(context.Context, []byte) ([]byte, error)) {
	t.Helper()
	if err := m.Serve(what, f); err != nil {
		t.Fatal(err)
	}
}

// until is a function that answers when its time is over.
func until(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	time.Sleep(time.Millisecond)
	return []byte("late"), nil
}

// Each known node has an answer, whatever it does with the question.
func TestAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		nodes := map[string]*member{}
		for i, name := range []string{"good", "empty", "fails", "panics", "large", "nearly", "late", "silent", "asks", "away"} {
			nodes[name] = join(t, &net, name, uint64(i+1))
		}
		for name, f := range map[string]func(context.Context, []byte) ([]byte, error){
			"good":   func(_ context.Context, body []byte) ([]byte, error) { return []byte("good\n" + string(body)), nil },
			"empty":  func(context.Context, []byte) ([]byte, error) { return nil, nil },
			"fails":  func(context.Context, []byte) ([]byte, error) { return []byte("x"), errors.New("no disk") },
			"panics": func(context.Context, []byte) ([]byte, error) { panic("in an answer") },
			"large":  func(context.Context, []byte) ([]byte, error) { return make([]byte, 900<<10+1), nil },
			"nearly": func(context.Context, []byte) ([]byte, error) { return make([]byte, 900<<10), nil },
			"late":   until,
			"asks":   echo,
			"away":   echo,
		} {
			nodes[name].serve(t, "x", f)
		}
		time.Sleep(1100 * time.Millisecond)
		nodes["away"].port.setCut(true)
		time.Sleep(4 * time.Second)
		begin := time.Now()
		answers := nodes["asks"].Ask(t.Context(), "x", []byte("q\n"))
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v", took)
		}
		var names []string
		for _, a := range answers {
			text := string(a.Body)
			if a.Err != nil {
				text += "! " + a.Err.Error()
			}
			if len(text) > 100 {
				text = fmt.Sprint(len(text))
			}
			names = append(names, a.Node+": "+text)
		}
		want := []string{
			"asks: q\n", "away: ! the gateway is silent: see /admin/cluster", "empty: ", "fails: ! no disk", "good: good\nq\n",
			"large: ! the answer about x has 921601 bytes, and may have 921600", "late: ! the gateway did not answer in time: try again",
			"nearly: 921600", "panics: ! the gateway has an error of its own: its log has the cause",
			"silent: ! the gateway did not answer in time: try again",
		}
		if got := strings.Join(names, "|"); got != strings.Join(want, "|") {
			t.Errorf("got  %s\nwant %s", got, strings.Join(want, "|"))
		}
		if nodes["panics"].said("in an answer") != 1 {
			t.Errorf("logged: %s", nodes["panics"].logs())
		}
	})
}

// Ask ends with the last answer that is to come, or with its context.
func TestAskEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, b := join(t, &net, "a", 1), join(t, &net, "b", 2)
		time.Sleep(1100 * time.Millisecond)
		slow := func(d time.Duration) func(context.Context, []byte) ([]byte, error) {
			return func(_ context.Context, body []byte) ([]byte, error) {
				time.Sleep(d)
				return body, nil
			}
		}
		var own atomic.Int32
		a.serve(t, "x", func(ctx context.Context, body []byte) ([]byte, error) {
			own.Add(1)
			return slow(200*time.Millisecond)(ctx, body)
		})
		b.serve(t, "x", slow(300*time.Millisecond))
		a.serve(t, "y", slow(300*time.Millisecond))
		b.serve(t, "y", slow(200*time.Millisecond))
		for _, one := range []struct {
			what  string
			wait  time.Duration
			took  time.Duration
			first error
		}{
			{"x", time.Minute, 300 * time.Millisecond, nil},
			{"y", time.Minute, 300 * time.Millisecond, nil},
			{"x", 100 * time.Millisecond, 100 * time.Millisecond, peers.ErrNoAnswer},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), one.wait)
			begin := time.Now()
			answers := a.Ask(ctx, one.what, nil)
			cancel()
			if took := time.Since(begin); took != one.took || !errors.Is(answers[0].Err, one.first) || !errors.Is(answers[1].Err, one.first) {
				t.Errorf("%s took %v: %+v", one.what, took, answers)
			}
		}
		if own.Load() != 2 {
			t.Errorf("it answered its two questions %d times", own.Load())
		}
	})
}

// The first answer of a node counts. Nobody else answers for the node that asks.
func TestAnswersTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, other := join(t, &net, "a", 1), net.port()
		a.serve(t, "x", echo)
		for _, node := range []string{"b", "silent"} {
			said{node, 2, 1, time.Now(), time.Now()}.send(t, other)
		}
		if err := other.Serve("peers.ask.x", func(_ []byte, answer func([]byte)) {
			for _, text := range []string{"{\"node\":\"a\"}\nfalse", "{\"node\":\"b\"}\nfirst", "{\"node\":\"b\"}\nsecond", "{\"node\":\"new\"}\nnew", "{\"node\":\"\"}\nnobody", "{\"node\":\"no line\"}"} {
				answer([]byte(text))
			}
		}); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, one := range a.Ask(t.Context(), "x", []byte("own")) {
			got += fmt.Sprintf("%s=%s %v, ", one.Node, one.Body, one.Err != nil)
		}
		if got != "a=own false, b=first false, new=new false, silent= true, " {
			t.Error(got)
		}
	})
}

func TestAskOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, b, c := join(t, &net, "a", 1), join(t, &net, "b", 2), join(t, &net, "c", 3)
		var asked atomic.Int32
		a.serve(t, "x", echo)
		b.serve(t, "x", func(_ context.Context, body []byte) ([]byte, error) { return append(body, " of b"...), nil })
		c.serve(t, "x", func(context.Context, []byte) ([]byte, error) { asked.Add(1); return nil, nil })
		b.serve(t, "fails", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no disk") })
		a.serve(t, "late", until)
		b.serve(t, "late", until)
		time.Sleep(1100 * time.Millisecond)
		if got, err := a.AskOne(t.Context(), "b", "x", []byte("q")); err != nil || string(got) != "q of b" || asked.Load() != 0 {
			t.Errorf("%q, %v, and c was asked %d times", got, err, asked.Load())
		}
		c.port.setFail(errors.New("no beats"))
		time.Sleep(4 * time.Second)
		for _, one := range []struct {
			node, what, want, err string
			took                  time.Duration
		}{
			{"a", "x", "q", "", 0},
			{"b", "x", "q of b", "", 0},
			{"c", "x", "", "is silent", 0},
			{"d", "x", "", "no such gateway", 0},
			{"a", "nothing", "", "does not answer such questions", 0},
			{"b", "nothing", "", "did not answer", 0},
			{"b", "fails", "", "no disk", 0},
			{"a", "late", "", "did not answer", time.Second},
			{"b", "late", "", "did not answer", time.Second},
		} {
			begin := time.Now()
			got, err := a.AskOne(t.Context(), one.node, one.what, []byte("q"))
			took := time.Since(begin)
			if string(got) != one.want || (err == nil) != (one.err == "") || err != nil && !strings.Contains(err.Error(), one.err) || took != one.took {
				t.Errorf("%s %s: %q, %v in %v", one.node, one.what, got, err, took)
			}
		}
		if asked.Load() != 0 {
			t.Errorf("c was asked %d times", asked.Load())
		}
		a.port.setFail(errors.New("broken"))
		if _, err := a.AskOne(t.Context(), "b", "x", nil); err == nil {
			t.Error("no error without a connection")
		}
	})
}

// Eight questions of a kind run at once, more are refused, and other kinds are not held up.
func TestBoundOfQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, b := join(t, &net, "a", 1), join(t, &net, "b", 2)
		gate := make(chan struct{})
		for _, m := range []*member{a, b} {
			m.serve(t, "slow", func(_ context.Context, body []byte) ([]byte, error) {
				<-gate
				return body, nil
			})
			m.serve(t, "fast", echo)
		}
		time.Sleep(1100 * time.Millisecond)
		for _, node := range []string{"a", "b"} {
			outcome := make(chan error, 9)
			for range 9 {
				go func() { // until the gate opens
					_, err := a.AskOne(context.Background(), node, "slow", nil)
					outcome <- err
				}()
			}
			synctest.Wait()
			if len(outcome) != 1 {
				t.Fatalf("%s: %d of 9 were refused", node, len(outcome))
			}
			if err := <-outcome; err == nil || !strings.Contains(err.Error(), "8 such questions now") {
				t.Errorf("%s: %v", node, err)
			}
			for range 20 {
				if got, err := a.AskOne(t.Context(), node, "fast", []byte("q")); err != nil || string(got) != "q" {
					t.Errorf("%s: %q, %v", node, got, err)
				}
			}
			for range 8 {
				gate <- struct{}{}
			}
			for range 8 {
				if err := <-outcome; err != nil {
					t.Errorf("%s: %v", node, err)
				}
			}
		}
	})
}

// Close waits for an answer under way. Afterwards nothing is answered.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net network
		a, b, ended := join(t, &net, "a", 1), join(t, &net, "b", 2), false
		b.serve(t, "x", func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done() // Close ends it
			time.Sleep(100 * time.Millisecond)
			ended = true
			return nil, nil
		})
		time.Sleep(1100 * time.Millisecond)
		asked := make(chan error, 1)
		go func() { // until b has answered
			_, err := a.AskOne(context.Background(), "b", "x", nil)
			asked <- err
		}()
		synctest.Wait()
		begin := time.Now()
		b.Close()
		if took := time.Since(begin); !ended || took != 100*time.Millisecond {
			t.Errorf("ended: %v, after %v", ended, took)
		}
		if err := <-asked; err != nil {
			t.Errorf("%v", err)
		}
		if _, err := b.AskOne(t.Context(), "b", "x", nil); err == nil || !strings.Contains(err.Error(), "closing") {
			t.Errorf("%v", err)
		}
		if got := brief(a); got != "a*" {
			t.Errorf("%q", got)
		}
	})
}
