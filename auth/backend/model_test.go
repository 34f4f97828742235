package backend

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/auth/grant"
)

// state is what the application says from a moment on: the letters that it grants, to a subject, or no, or down.
type state struct {
	from time.Time
	says string
}

const (
	no, down   = "no", "down"
	modelTTL   = 10 * time.Second
	modelGrace = 30 * time.Second
	// slack is how late a change may be noticed where questions fail: after a longest wait and a question.
	slack = maxBackoff + time.Second
)

// model has what the application said, so that what streams and requests get can be checked.
type model struct {
	app     *app
	b       *Backend
	history []state
	streams []*modelStream
	asked   int // by requests
}

type modelStream struct {
	*watched
	opened  time.Time
	grants  string // subject and letters
	checked bool   // its end was
}

func (m *model) say(what string) {
	m.history = append(m.history, state{time.Now(), what})
	switch what {
	case no:
		m.app.says(401, `{"message":"no"}`)
	case down:
		m.app.dies()
	default:
		subject, letters, _ := strings.Cut(what, ":")
		m.app.says(200, fmt.Sprintf(`{"subject":%q,"sub":["%s"],"ttl":"10s"}`, subject, strings.Join(strings.Split(letters, ""), `","`)))
	}
}

// since returns what the application said at any time since a moment.
func (m *model) since(from time.Time) (all []string) {
	for i, s := range m.history {
		if i+1 == len(m.history) || m.history[i+1].from.After(from) {
			all = append(all, s.says)
		}
	}
	return all
}

func contains(all []string, f func(string) bool) bool {
	for _, s := range all {
		if f(s) {
			return true
		}
	}
	return false
}

// covers reports whether what the application says grants at least what a stream has.
func covers(says, has string) bool {
	if says == no || says == down {
		return false
	}
	subject, letters, _ := strings.Cut(says, ":")
	of, list, _ := strings.Cut(has, ":")
	for _, l := range list {
		if !strings.ContainsRune(letters, l) {
			return false
		}
	}
	return subject == of
}

func (m *model) request() (*Answer, string) {
	before := m.app.asked()
	answer, what := m.b.outcome(of("ann"))
	m.asked += m.app.asked() - before
	recent := m.since(time.Now().Add(-modelTTL))
	switch what {
	case "no":
		if !contains(m.since(time.Now().Add(-refusedFor)), func(s string) bool { return s == no }) {
			m.failf("refused; the application said %v", recent)
		}
		return nil, ""
	case ErrTrouble.Error():
		if !contains(m.since(time.Now().Add(-troubledFor)), func(s string) bool { return s == down }) {
			m.failf("trouble; the application said %v", recent)
		}
		return nil, ""
	}
	got := answer.Subject + ":" + strings.ReplaceAll(answer.Sub.String(), ",", "")
	if !contains(recent, func(s string) bool { return s == got }) {
		m.failf("got %s; the application said %v", got, recent)
	}
	return answer, got
}

func (m *model) check() {
	now := time.Now()
	for _, s := range m.streams {
		why, at := s.ended()
		if s.checked {
			continue
		}
		said := m.since(s.opened.Add(-modelTTL))
		switch why {
		case "":
			if recent := m.since(now.Add(-modelTTL - slack)); now.Sub(s.opened) > modelTTL+slack && !contains(recent, func(says string) bool { return says == down || covers(says, s.grants) }) {
				m.failf("a stream with %s goes on; the application said %v", s.grants, recent)
			}
			if recent := m.since(now.Add(-modelTTL - modelGrace)); now.Sub(s.opened) > modelTTL+modelGrace && !contains(recent, func(says string) bool { return says != down }) {
				m.failf("a stream goes on, and the application is down since %s", modelTTL+modelGrace)
			}
			continue
		case grant.Changed:
			if !contains(said, func(says string) bool { return says != no && says != down }) || !contains(said, func(says string) bool { return says != said[0] }) {
				m.failf("a stream changed; the application said %v", said)
			}
		case grant.Revoked:
			if !contains(said, func(says string) bool { return says == no }) {
				m.failf("a stream was revoked; the application said %v", said)
			}
		case grant.Expired:
			up := time.Duration(0)
			for i, h := range m.history {
				end := at
				if i+1 < len(m.history) {
					end = m.history[i+1].from
				}
				if from := at.Add(-modelGrace); h.says != down && end.After(from) {
					begin := h.from
					if begin.Before(from) {
						begin = from
					}
					up = max(up, end.Sub(begin))
				}
			}
			if up > slack {
				m.failf("a stream expired, and the application was up for %s in the grace before", up)
			}
		default:
			m.failf("a stream ended by %q", why)
		}
		s.checked = true
	}
}

// TestModel: whatever an application says over time, requests get what it said within the ttl, and streams go on exactly as
// long as they may.
func TestModel(outer *testing.T) {
	outer.Parallel()
	rapid.Check(outer, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{
			"1:a", "1:ab", "1:abc", "1:b", "2:ab", no, no, down, down, "open", "open", "open", "close", "request", "100ms", "1s", "3s", "7s", "20s", "20s", "60s", "60s",
		}), 1, 200).Draw(t, "steps")
		var err error
		synctest.Test(outer, func(*testing.T) { err = runModel(steps) })
		if err != nil {
			t.Fatal(err)
		}
	})
}

// fault is what is wrong, on its way to the end of runModel. A failure of rapid must not happen in a bubble.
type fault struct{ error }

func (m *model) failf(format string, args ...any) { panic(fault{fmt.Errorf(format, args...)}) }

func runModel(steps []string) (err error) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case fault:
			err = f
		default:
			panic(f)
		}
	}()
	m := &model{app: &app{}}
	m.b = New(options(func(o *Options) { o.Transport, o.Grace = m.app, modelGrace }))
	defer m.b.Close()
	m.say("1:ab")
	for _, step := range steps {
		switch step {
		case "open":
			if answer, got := m.request(); answer != nil {
				m.streams = append(m.streams, &modelStream{watched: watch(answer), opened: time.Now(), grants: got})
			}
		case "close":
			if len(m.streams) > 0 {
				m.streams[0].answer.Release()
				m.streams = m.streams[1:]
			}
		case "request":
			m.request()
		default:
			if d, err := time.ParseDuration(step); err == nil {
				before := m.app.asked()
				time.Sleep(d)
				synctest.Wait()
				if len(m.streams) == 0 && m.app.asked() != before {
					m.failf("it is asked without a stream")
				}
			} else {
				m.say(step)
			}
		}
		synctest.Wait()
		m.check()
	}
	for _, s := range m.streams {
		s.answer.Release()
	}
	if n := len(m.b.entries); n > 1 || m.b.idle.Len() != n {
		m.failf("%d entries, %d idle", n, m.b.idle.Len())
	}
	return nil
}
