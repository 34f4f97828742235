package documents

import (
	"context"

	"sluice/store/share"
)

const (
	// answerCopies: memory has an answer twice, as texts and as what a door makes of them.
	answerCopies = 2
	// freeAnswer is what an answer may take without being counted, so that most answers never reach the bound.
	freeAnswer = 64 << 10
	// chargeStep is the least by which the count grows, so that not every document needs a call.
	chargeStep = 64 << 10
)

// NewAnswers makes the memory for answers. One owner may have the largest answer under way, or many smaller ones, and
// at least least bytes. All owners together may have twice as much as one.
func NewAnswers(maxResult, least int64) *share.Answers {
	perOwner := max(answerCopies*maxResult, least)
	return share.NewAnswers(perOwner, 2*perOwner)
}

// answer counts the memory that one answer takes. A client that reads slowly keeps its answer in memory for as long as
// it reads. So the memory of all answers is bounded, and shared by owner.
type answer struct {
	store   *Store
	ctx     context.Context // the request's
	bytes   int64           // of its texts
	charged int64           // charged to shared
	shared  *share.Answer   // nil while charged is 0
}

// charge charges a text, or refuses it.
func (a *answer) charge(text []byte) error {
	a.bytes += int64(len(text))
	if more := answerCopies*a.bytes - freeAnswer - a.charged; more > 0 {
		more = max(more, chargeStep)
		if a.shared == nil {
			a.shared = a.store.answers.Open(a.ctx)
		}
		if err := a.shared.Take(more); err != nil {
			return ErrMemory
		}
		a.charged += more
	}
	return nil
}

// Hold charges an answer that a door has made with Each. Find charges its own answers. Call Hold before the answer is
// sent.
func (s *Store) Hold(ctx context.Context, text []byte) error {
	a := answer{store: s, ctx: ctx}
	err := a.show(text)
	a.end(err)
	return err
}

// show charges a text that the answer contains, or refuses it.
func (a *answer) show(text []byte) error {
	if a.bytes+int64(len(text)) > a.store.o.MaxResult {
		return &LimitError{"the answer would have more than %d bytes; ask for fewer documents or fields", a.store.o.MaxResult, MaxResult}
	}
	return a.charge(text)
}

// end gives back what was charged: at once after an error, otherwise when the request is over.
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
