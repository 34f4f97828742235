package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
)

// atOnce is how many questions of a kind a node answers at once. More are refused.
const atOnce = 8

// MaxAnswer bounds an answer. NATS carries 1 MiB in a message, unless its settings say otherwise.
const MaxAnswer = 900 << 10

var (
	errBusy      = fmt.Errorf("the gateway answers %d such questions now: try again", atOnce)
	errClosing   = errors.New("the gateway is closing")
	errPanicked  = errors.New("the gateway has an error of its own: its log has the cause")
	errNotServed = errors.New("the gateway does not answer such questions")
)

// service answers one kind of questions.
type service struct {
	what  string
	f     func(ctx context.Context, body []byte) ([]byte, error)
	slots chan struct{}
}

func askSubject(what string) string { return "peers.ask." + what }

// Serve answers the questions of a kind with f, until Close. f may run several times at once. It must end with ctx, which
// ends after 1 s or less, because Close waits for f.
func (p *Peers) Serve(what string, f func(ctx context.Context, body []byte) ([]byte, error)) error {
	s := &service{what, f, make(chan struct{}, atOnce)}
	p.mu.Lock()
	_, twice := p.served[what]
	if !twice {
		p.served[what] = s
	}
	p.mu.Unlock()
	if twice {
		return fmt.Errorf("questions about %s are answered already", what)
	}
	for _, subject := range []string{askSubject(what), askSubject(what) + "." + p.o.Node} {
		if err := p.o.Network.Serve(subject, func(text []byte, answer func([]byte)) { p.asked(s, text, answer) }); err != nil {
			return fmt.Errorf("answering questions about %s: %w", what, err)
		}
	}
	return nil
}

// asked answers a question that came by the network. It does not wait for the answer.
func (p *Peers) asked(s *service, text []byte, answer func([]byte)) {
	defer p.contain("a question of another gateway")
	var from questionHead
	body, ok := open(text, &from)
	if !ok || from.Origin == p.o.Origin {
		return // who asks answers itself
	}
	p.start(p.ctx, s, body, func(got []byte, err error) {
		head := answerHead{Node: p.o.Node}
		if err != nil {
			head.Err, got = cut(err.Error()), nil
		}
		answer(pack(head, got))
	})
}

// start has a question answered, and gives the answer to done: in a goroutine, or at once if the answer is a refusal.
func (p *Peers) start(ctx context.Context, s *service, body []byte, done func([]byte, error)) {
	if err := p.begin(s); err != nil {
		done(nil, err)
		return
	}
	go func() { // it ends when the answer is there, for which Close waits
		defer p.contain("an answer to another gateway")
		defer p.end(s)
		done(p.answer(ctx, s, body))
	}()
}

func (p *Peers) begin(s *service) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosing
	}
	select {
	case s.slots <- struct{}{}:
		p.work.Add(1)
		return nil
	default:
		return errBusy
	}
}

func (p *Peers) end(s *service) {
	<-s.slots
	p.work.Done()
}

// answer calls the function of a service. A panic becomes an error, which who asked gets.
func (p *Peers) answer(ctx context.Context, s *service, body []byte) (got []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			p.o.Logger.Error("a question of the cluster panicked", "what", s.what, "cause", cause, "stack", string(debug.Stack()))
			got, err = nil, errPanicked
		}
	}()
	got, err = s.f(ctx, body)
	if err == nil && len(got) > MaxAnswer {
		return nil, fmt.Errorf("the answer about %s has %d bytes, and may have %d", s.what, len(got), MaxAnswer)
	}
	return got, err
}

// questionHead and answerHead are in front of the body of a message, as a line of JSON.
type questionHead struct {
	Origin uint64 `json:"origin"`
}

type answerHead struct {
	Node string `json:"node"`
	Err  string `json:"error,omitempty"`
}

func (p *Peers) question(body []byte) []byte { return pack(questionHead{p.o.Origin}, body) }

// parseAnswer reads a message that answers.
func parseAnswer(text []byte) (Answer, bool) {
	var head answerHead
	body, ok := open(text, &head)
	a := Answer{Node: head.Node, Body: body}
	if head.Err != "" {
		a.Body, a.Err = nil, errors.New(head.Err)
	}
	return a, ok && head.Node != ""
}

func pack(head any, body []byte) []byte {
	return append(append(encode(head), '\n'), body...)
}

// open reads the head of a message, and returns its body.
func open(text []byte, head any) (body []byte, ok bool) {
	line, body, ok := bytes.Cut(text, []byte{'\n'})
	return body, ok && json.Unmarshal(line, head) == nil
}

// cut bounds the text of an error.
func cut(text string) string { return text[:min(len(text), 1000)] }
