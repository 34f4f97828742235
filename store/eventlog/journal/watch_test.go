package journal

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sluice/store/eventlog"
)

// TestProgress: a gateway is behind if it has not applied what was there three seconds ago, or if it is cut off. A journal
// without a leader is neither.
func TestProgress(t *testing.T) {
	t.Parallel()
	type look struct {
		applied, end       uint64
		answered, majority bool
	}
	same := func(n int, l look) []look {
		all := make([]look, n)
		for i := range all {
			all[i] = l
		}
		return all
	}
	for name, test := range map[string]struct {
		looks []look
		want  error
	}{
		"new":                    {nil, nil},
		"up to date":             {same(10, look{5, 5, true, true}), nil},
		"behind for two seconds": {same(3, look{5, 9, true, true}), nil},
		"behind":                 {same(4, look{5, 9, true, true}), eventlog.ErrBehind},
		"behind, then caught up": {append(same(9, look{5, 9, true, true}), look{9, 9, true, true}), nil},
		"always a little behind": {[]look{{1, 2, true, true}, {2, 3, true, true}, {3, 4, true, true}, {4, 5, true, true}, {5, 6, true, true}}, nil},
		"without a leader":       {append(same(5, look{5, 5, true, true}), same(20, look{5, 0, false, true})...), nil},
		"cut off":                {append(same(5, look{5, 5, true, true}), same(2, look{5, 0, false, false})...), errNoMajority},
		"cut off for a moment":   {append(same(5, look{5, 5, true, true}), same(1, look{5, 0, false, false})...), nil},
		"cut off, and back":      {append(same(5, look{5, 0, false, false}), look{5, 5, true, true}), nil},
		"behind, no leader":      {append(same(1, look{5, 9, true, true}), same(3, look{5, 0, false, true})...), eventlog.ErrBehind},
	} {
		var p progress
		var applied uint64
		majority := true
		for _, l := range test.looks {
			p.look(l.end, l.answered)
			applied, majority = l.applied, l.majority
		}
		if err := p.health(applied, func() bool { return majority }); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// TestProgressSinceTheLastLook: a gateway that has caught up between two looks is not behind until the next one.
func TestProgressSinceTheLastLook(t *testing.T) {
	t.Parallel()
	var p progress
	for range lagMost + 1 {
		p.look(9, true)
	}
	for applied, want := range map[uint64]error{5: eventlog.ErrBehind, 9: nil} {
		if err := p.health(applied, nil); !errors.Is(err, want) {
			t.Errorf("applied %d: %v, want %v", applied, err, want)
		}
	}
}

// TestWhoDiffers: of gateways with different states, those stop that are not the majority, and only once the others have
// spoken.
func TestWhoDiffers(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	old, fresh := now.Add(-10*time.Second), now.Add(-time.Second)
	for name, test := range map[string]struct {
		claims claims
		want   error
	}{
		"alone":                     {claims{}, nil},
		"all agree":                 {claims{1: {true, now, now}, 2: {true, now, now}}, nil},
		"one of two others differs": {claims{1: {true, now, now}, 2: {false, now, old}}, nil},
		"both others differ":        {claims{1: {false, now, old}, 2: {false, now, fresh}}, ErrDiffers},
		"both, but since a moment":  {claims{1: {false, now, fresh}, 2: {false, now, fresh}}, nil},
		"the only other differs":    {claims{1: {false, now, old}}, ErrDiffers},
		"who differed is gone":      {claims{1: {false, now.Add(-time.Minute), now.Add(-2 * time.Minute)}}, nil},
	} {
		if err := test.claims.differ(now); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// TestLed: the journal's end is known by a leader that most replicas follow, and by nobody else.
func TestLed(t *testing.T) {
	t.Parallel()
	replica := func(active time.Duration) *jetstream.PeerInfo { return &jetstream.PeerInfo{Active: active} }
	fresh, silent, never := replica(time.Second), replica(2500*time.Millisecond), replica(0)
	for name, test := range map[string]struct {
		cluster  *jetstream.ClusterInfo
		replicas int
		want     bool
	}{
		"a server alone":              {nil, 1, true},
		"one replica of a cluster":    {&jetstream.ClusterInfo{Leader: "a"}, 1, true},
		"all follow":                  {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{fresh, fresh}}, 3, true},
		"one of two follows":          {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{silent, fresh}}, 3, true},
		"a leader that is cut off":    {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{silent, silent}}, 3, false},
		"a leader that nobody joined": {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{never, never}}, 3, false},
		"a replica without a leader":  {&jetstream.ClusterInfo{Replicas: []*jetstream.PeerInfo{fresh, fresh, fresh}}, 3, false},
		"two of five":                 {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{fresh, silent, silent, never}}, 5, false},
		"three of five":               {&jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{fresh, fresh, silent, never}}, 5, true},
	} {
		if got := led(test.cluster, test.replicas); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestReplicas: a replica is current if it has everything and answers.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		info jetstream.PeerInfo
		want bool
	}{
		"all is well":         {jetstream.PeerInfo{Current: true, Active: 2 * time.Second}, true},
		"silent":              {jetstream.PeerInfo{Current: true, Active: 2500 * time.Millisecond}, false},
		"never heard from":    {jetstream.PeerInfo{Current: true}, false},
		"known to be offline": {jetstream.PeerInfo{Current: true, Offline: true, Active: time.Second}, false},
		"behind":              {jetstream.PeerInfo{Active: time.Second, Lag: 5}, false},
	} {
		got := replicasOf(&jetstream.ClusterInfo{Replicas: []*jetstream.PeerInfo{&test.info}})
		if len(got) != 1 || got[0].Current != test.want || got[0].Lag != test.info.Lag {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestAcknowledged: a new message that gets a place which is applied already means that the journal has lost its end. A repeat
// does not.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]error{
		`{"seq":6}`:                  nil,
		`{"seq":5}`:                  ErrShorter,
		`{"seq":1}`:                  ErrShorter,
		`{"seq":5,"duplicate":true}`: nil,
		`{"error":{"code":400,"err_code":10201}}`: nil,
	} {
		var fatal error
		j := &Journal{log: slog.New(slog.DiscardHandler), o: Options{Fatal: func(err error) { fatal = err }}}
		if err := j.acknowledged(&nats.Msg{Data: []byte(answer)}, 5); !errors.Is(err, want) || !errors.Is(fatal, want) {
			t.Errorf("%s: %v, fatal %v, want %v", answer, err, fatal, want)
		}
	}
}
