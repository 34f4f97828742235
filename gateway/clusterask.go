package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// snapshotSubject is where gateways answer `sluice cluster snapshot`.
const snapshotSubject = "snapshot"

// snapshotQuestion asks all gateways for a snapshot, or one of them how far the snapshot is.
type snapshotQuestion struct {
	Process uint64 `json:"process,omitempty"` // the one that makes it; 0: whoever is the first
	Ticket  uint64 `json:"ticket,omitempty"`  // of its answer
}

// snapshotAnswer is what a gateway answers.
type snapshotAnswer struct {
	Node    string `json:"node"`
	Process uint64 `json:"process"`
	Makes   bool   `json:"makes"`  // it makes the snapshot
	Ticket  uint64 `json:"ticket"` // the number of the try that begins next; that one or a later one is the snapshot
	Done    bool   `json:"done"`   // it is there
	Place   uint64 `json:"place"`
	Size    int64  `json:"size"`
	Saved   int64  `json:"saved"`  // bytes, until it is done
	Failed  string `json:"failed"` // why the last try has failed
}

// answer takes a question of `sluice cluster snapshot`.
func (s *snapshots) answer(body []byte, answer func([]byte)) {
	var q snapshotQuestion
	if json.Unmarshal(body, &q) != nil {
		return // of a version that asks something else
	}
	if text, err := json.Marshal(s.answerTo(q)); err == nil {
		answer(text)
	}
}

func (s *snapshots) answerTo(q snapshotQuestion) snapshotAnswer {
	a := snapshotAnswer{Node: s.node, Process: s.process}
	first := s.first()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case q.Process == s.process:
		a.Makes, a.Ticket, a.Done = true, q.Ticket, s.ended >= q.Ticket
		a.Place, a.Size, a.Saved, a.Failed = s.newest.Place, s.newest.Size, s.saved, s.failed
	case q.Process == 0 && first:
		a.Makes, a.Ticket = true, s.begun+1
		s.asked = a.Ticket
		select {
		case s.wake <- struct{}{}:
		default: // it wakes already
		}
	}
	return a
}

// asker is what AskSnapshot needs of a bus.Bus.
type asker interface {
	Ask(ctx context.Context, subject string, body []byte, f func(answer []byte) bool) error
}

// Times of AskSnapshot.
const (
	askOnce     = time.Second            // the longest wait for the answers to one question
	askPause    = 500 * time.Millisecond // between two questions
	askTell     = 3 * time.Second        // between two calls of tell
	nobodyMost  = 6 * time.Second        // no gateway answers: its connection to NATS may be made again meanwhile
	notReady    = 30 * time.Second       // no gateway that is ready answers. One that was killed counts as ready for three seconds
	makerSilent = 5 * time.Second        // the one that makes it does not answer
	stillMost   = 2 * time.Minute        // no more bytes are saved
)

// Errors of AskSnapshot.
var (
	ErrNoGateway = errors.New("no gateway of the cluster answers: start one")
	ErrNotReady  = errors.New("no gateway of the cluster is ready to make a snapshot: see `sluice cluster status`")
	errSilent    = errors.New("it does not answer")
)

// MadeSnapshot is a snapshot that was asked for.
type MadeSnapshot struct {
	Node  string // that has made it
	Place uint64
	Size  int64
}

// AskSnapshot has a gateway make a snapshot, and waits for it. If that gateway dies, another one makes it. tell is called with
// what AskSnapshot waits for, every few seconds.
func AskSnapshot(ctx context.Context, gateways asker, tell func(string)) (MadeSnapshot, error) {
	r := snapshotRequest{gateways: gateways, tell: tell, moved: time.Now()}
	for {
		maker, err := r.seek(ctx)
		if err != nil {
			return MadeSnapshot{}, err
		}
		r.say(true, "the gateway %s makes a snapshot", maker.Node)
		made, err := r.follow(ctx, maker)
		if !errors.Is(err, errSilent) {
			return made, err
		}
		r.say(true, "the gateway %s does not answer any more: asking the others", maker.Node)
	}
}

// snapshotRequest is a request for a snapshot.
type snapshotRequest struct {
	gateways asker
	tell     func(string)
	told     time.Time
	moved    time.Time // when more bytes were saved than before
}

// say calls tell: now, or if the last time is some seconds ago.
func (r *snapshotRequest) say(now bool, format string, a ...any) {
	if now || time.Since(r.told) >= askTell {
		r.told = time.Now()
		r.tell(fmt.Sprintf(format, a...))
	}
}

// ask asks a question, and calls f with the answers until f returns false or they have had their time.
func (r *snapshotRequest) ask(ctx context.Context, q snapshotQuestion, f func(snapshotAnswer) bool) error {
	ctx, cancel := context.WithTimeout(ctx, askOnce)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("asking for a snapshot: %w", err)
	}
	return r.gateways.Ask(ctx, snapshotSubject, body, func(text []byte) bool {
		var a snapshotAnswer
		return json.Unmarshal(text, &a) != nil || f(a)
	})
}

// pause waits before the next question.
func (r *snapshotRequest) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting for the snapshot: %w", ctx.Err())
	case <-time.After(askPause):
		return nil
	}
}

// seek asks until a gateway makes a snapshot.
func (r *snapshotRequest) seek(ctx context.Context) (maker snapshotAnswer, err error) {
	answered := false
	for begun := time.Now(); ; {
		err := r.ask(ctx, snapshotQuestion{}, func(a snapshotAnswer) bool {
			answered = true
			if a.Makes {
				maker = a
			}
			return !a.Makes
		})
		waited := time.Since(begun)
		switch {
		case maker.Makes:
			return maker, nil
		case !answered && waited >= nobodyMost && err != nil:
			return maker, err
		case !answered && waited >= nobodyMost:
			return maker, ErrNoGateway
		case waited >= notReady:
			return maker, ErrNotReady
		}
		r.say(false, "waiting for a gateway that is ready")
		if err := r.pause(ctx); err != nil {
			return maker, err
		}
	}
}

// follow waits until the gateway has made the snapshot. The error is errSilent if it does not answer any more.
func (r *snapshotRequest) follow(ctx context.Context, maker snapshotAnswer) (MadeSnapshot, error) {
	heard, saved := time.Now(), int64(0)
	for {
		var a snapshotAnswer
		_ = r.ask(ctx, snapshotQuestion{maker.Process, maker.Ticket}, func(got snapshotAnswer) bool { // without a connection it is silent
			if got.Process == maker.Process {
				a = got
			}
			return a.Node == ""
		})
		now := time.Now()
		switch {
		case a.Done:
			return MadeSnapshot{a.Node, a.Place, a.Size}, nil
		case a.Node != "":
			heard = now
		case now.Sub(heard) >= makerSilent:
			return MadeSnapshot{}, errSilent
		}
		if a.Saved > saved {
			saved, r.moved = a.Saved, now
		}
		waits := waitsFor(maker.Node, a)
		if now.Sub(r.moved) >= stillMost {
			return MadeSnapshot{}, fmt.Errorf("no progress for %s: %s. See the log of the gateway; are most of the NATS servers running?", stillMost, waits)
		}
		r.say(false, "%s", waits)
		if err := r.pause(ctx); err != nil {
			return MadeSnapshot{}, err
		}
	}
}

// waitsFor says what the command waits for.
func waitsFor(maker string, a snapshotAnswer) string {
	switch {
	case a.Node == "":
		return fmt.Sprintf("the gateway %s does not answer", maker)
	case a.Failed != "":
		return fmt.Sprintf("the gateway %s tries again, %d KiB are saved; the last try failed: %s", maker, a.Saved>>10, a.Failed)
	}
	return fmt.Sprintf("the gateway %s saves the snapshot, %d KiB so far", maker, a.Saved>>10)
}
