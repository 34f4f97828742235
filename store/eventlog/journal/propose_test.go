//go:build unix

package journal

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/cluster/clustertest"
)

// leader stands for a server that leads the journal. It answers the first messages with the answers; "" is none. All later ones
// get no answer.
type leader struct {
	mu  sync.Mutex
	ids []string // of the messages that came
}

func lead(t *testing.T, answers ...string) (*Journal, *leader) {
	t.Helper()
	url, l := clustertest.NATS(t), &leader{}
	b := connect(t, url, testSecret)
	if _, err := b.Conn().Subscribe(b.Subject(subjectIn), func(m *nats.Msg) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ids = append(l.ids, m.Header.Get(nats.MsgIdHdr))
		if n := len(l.ids); n <= len(answers) && answers[n-1] != "" {
			if err := m.Respond([]byte(answers[n-1])); err != nil {
				t.Error(err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return &Journal{bus: connect(t, url, testSecret), now: time.Now, origin: 15, log: slog.New(slog.DiscardHandler)}, l
}

// got returns the ids of the messages that came.
func (l *leader) got() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ids)
}

// A leader that hands over forgets the messages that it has just taken. They are sent again, with the same id, well before the log
// gives up a try.
func TestForgottenMessageIsSentAgain(t *testing.T) {
	t.Parallel()
	j, l := lead(t, "", `{"seq":1}`)
	if err := j.Propose(bounded(t), proposal(1, "1")); err != nil {
		t.Errorf("after %d messages: %v", len(l.got()), err)
	}
	if ids := l.got(); !slices.Equal(ids, []string{"f-1", "f-1"}) || j.metrics.Retries.Load() != 1 {
		t.Errorf("the leader got %q, %d retries", ids, j.metrics.Retries.Load())
	}
}

// A message that is under way at a slow leader is not sent again and again: it is refused, and the try ends.
func TestMessageUnderWay(t *testing.T) {
	t.Parallel()
	j, l := lead(t, "", `{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}`)
	if err := j.Propose(bounded(t), proposal(1, "1")); err == nil || noAnswer(err) || !strings.Contains(err.Error(), "in process") {
		t.Errorf("%v", err)
	}
	if ids := l.got(); len(ids) != 2 {
		t.Errorf("the leader got %q", ids)
	}
}

// Who gets no answer waits longer each time. What is larger than a message is not sent again before the log gives up the try.
func TestSilentLeader(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ payloads, most int }{"one message": {0, 4}, "parts": {2, 1}} {
		j, l := lead(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		data := strings.Repeat("x", 1+c.payloads*int(j.bus.Conn().MaxPayload()))
		if err := j.Propose(ctx, proposal(1, data)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		if ids := l.got(); len(ids) > c.most {
			t.Errorf("%s: the leader got %d: %q", name, len(ids), ids)
		}
	}
}
