package documents

import (
	"context"

	"sluice/store/share"
)

const (
	// heldTwice: an answer is held as texts, and as what a door makes of them.
	heldTwice = 2
	// freeAnswer is what an answer may hold without being counted, so that most never meet the bound.
	freeAnswer = 64 << 10
	// heldStep is the least by which the count grows, so that it is not asked for every document.
	heldStep = 64 << 10
)

// NewAnswers makes the memory of answers: one owner may have the largest answer under way, or many smaller ones, and
// all owners together twice as much. An owner may have least in any case.
func NewAnswers(maxResult, least int64) *share.Answers {
	perOwner := max(heldTwice*maxResult, least)
	return share.NewAnswers(perOwner, 2*perOwner)
}

// answer counts the memory that one answer takes. What all of them take is bounded, and shared by owner, since a client
// that reads slowly has its answer wait in memory for as long as it reads.
type answer struct {
	store  *Store
	ctx    context.Context // the request's
	bytes  int64           // of its texts
	held   int64           // charged to shared
	shared *share.Answer   // nil as long as nothing is
}

// hold charges a text, or refuses it.
func (a *answer) hold(text []byte) error {
	a.bytes += int64(len(text))
	if more := heldTwice*a.bytes - freeAnswer - a.held; more > 0 {
		more = max(more, heldStep)
		if a.shared == nil {
			a.shared = a.store.answers.Open(a.ctx)
		}
		if err := a.shared.Take(more); err != nil {
			return ErrMemory
		}
		a.held += more
	}
	return nil
}

// Hold charges an answer that is made of what Each has told, as Find does its own. It is to be asked before the answer is
// sent.
func (s *Store) Hold(ctx context.Context, text []byte) error {
	a := answer{store: s, ctx: ctx}
	err := a.show(text)
	a.end(err)
	return err
}

// show charges a text that was asked for, or refuses it.
func (a *answer) show(text []byte) error {
	if a.bytes+int64(len(text)) > a.store.o.MaxResult {
		return &LimitError{"the answer would have more than %d bytes; ask for fewer documents or fields", a.store.o.MaxResult, MaxResult}
	}
	return a.hold(text)
}

// end returns what was charged: at once where there is no answer, else when the request is over.
func (a *answer) end(err error) {
	if a.shared == nil {
		return
	}
	if err != nil {
		a.shared.Close()
		return
	}
	a.shared.Send()
	context.AfterFunc(a.ctx, a.shared.Close)
}
