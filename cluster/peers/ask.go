package peers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// Answer is what a node answered, or why it did not.
type Answer struct {
	Node string
	Body []byte
	Err  error
}

// Errors of questions.
var (
	ErrAway     = errors.New("the gateway is silent: see /admin/cluster")
	ErrNoAnswer = errors.New("the gateway did not answer in time: try again")
	ErrUnknown  = errors.New("there is no such gateway in the cluster: see /admin/cluster")
)

// Ask asks all nodes at once, this one too, and waits for those that are not away, at most 1 s. Each known node has an
// answer, in the order of their names.
func (p *Peers) Ask(ctx context.Context, what string, body []byte) []Answer {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	own := p.askSelf(ctx, what, body)
	answers, waiting := p.expected()
	if waiting > 0 {
		err := p.o.Network.Ask(ctx, askSubject(what), p.question(body), func(text []byte) bool {
			a, ok := parseAnswer(text)
			before, known := answers[a.Node]
			if !ok || a.Node == p.o.Node || known && !unanswered(before) || !known && len(answers) >= maxNodes {
				return true
			}
			if answers[a.Node] = a; before.Err == ErrNoAnswer {
				waiting--
			}
			return waiting > 0
		})
		for name, a := range answers {
			if err != nil && a.Err == ErrNoAnswer {
				answers[name] = Answer{Node: name, Err: err}
			}
		}
	}
	list := []Answer{p.wait(ctx, own)}
	for _, a := range answers {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Answer) int { return cmp.Compare(a.Node, b.Node) })
	return list
}

// expected returns an empty answer for each other node, and how many of them should come.
func (p *Peers) expected() (answers map[string]Answer, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.forget(now)
	answers = map[string]Answer{}
	for name, n := range p.known {
		if n.away(now) {
			answers[name] = Answer{Node: name, Err: ErrAway}
			continue
		}
		answers[name] = Answer{Node: name, Err: ErrNoAnswer}
		waiting++
	}
	return answers, waiting
}

// unanswered reports whether an answer is that of expected.
func unanswered(a Answer) bool { return a.Err == ErrAway || a.Err == ErrNoAnswer }

// AskOne asks one node, which may be this one. It waits for 1 s at most.
func (p *Peers) AskOne(ctx context.Context, node, what string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if node == p.o.Node {
		a := p.wait(ctx, p.askSelf(ctx, what, body))
		return a.Body, a.Err
	}
	answers, _ := p.expected()
	a, known := answers[node]
	switch {
	case !known:
		return nil, ErrUnknown
	case a.Err == ErrAway:
		return nil, ErrAway
	}
	err := p.o.Network.Ask(ctx, askSubject(what)+"."+node, p.question(body), func(text []byte) bool {
		got, ok := parseAnswer(text)
		if ok {
			a = got
		}
		return !ok
	})
	if err != nil {
		return nil, err
	}
	return a.Body, a.Err
}

// askSelf answers a question of this node by itself.
func (p *Peers) askSelf(ctx context.Context, what string, body []byte) <-chan Answer {
	got := make(chan Answer, 1)
	p.mu.Lock()
	s := p.served[what]
	p.mu.Unlock()
	if s == nil {
		got <- Answer{Node: p.o.Node, Err: errNotServed}
		return got
	}
	p.start(ctx, s, body, func(answer []byte, err error) { got <- Answer{p.o.Node, answer, err} })
	return got
}

// wait waits for the node's own answer.
func (p *Peers) wait(ctx context.Context, own <-chan Answer) Answer {
	select {
	case a := <-own:
		return a
	default:
	}
	select {
	case a := <-own:
		return a
	case <-ctx.Done():
		return Answer{Node: p.o.Node, Err: ErrNoAnswer}
	}
}
