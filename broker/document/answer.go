package document

import "context"

const (
	// heldTwice: an answer is held as texts, and as what a door makes of them.
	heldTwice = 2
	// freeAnswer is what an answer may hold without being counted, so that most never meet the bound.
	freeAnswer = 64 << 10
	// heldStep is the least by which the count grows, so that it is not asked for every document.
	heldStep = 64 << 10
)

// answer is the account of the memory that one answer takes. What all of them take together is bounded, since a client
// that reads slowly has its answer wait in memory for as long as it reads.
type answer struct {
	store *Store
	bytes int64 // of its texts
	held  int64 // counted in store.answers
}

// hold takes a text into the account, or refuses it. It never waits: those who do would hold what the others wait for.
func (a *answer) hold(text []byte) error {
	a.bytes += int64(len(text))
	if more := heldTwice*a.bytes - freeAnswer - a.held; more > 0 {
		more = max(more, heldStep)
		if !a.store.answers.TryAcquire(more) {
			return ErrMemory
		}
		a.held += more
	}
	return nil
}

// show takes a text that was asked for into the account, or refuses it.
func (a *answer) show(text []byte) error {
	if a.bytes+int64(len(text)) > a.store.o.MaxResult {
		return &LimitError{"the answer would have more than %d bytes; ask for fewer documents or fields", a.store.o.MaxResult, "MAX_RESULT"}
	}
	return a.hold(text)
}

// end gives the account back: at once where there is no answer, else when the request is over.
func (a *answer) end(ctx context.Context, err error) {
	if a.held == 0 {
		return
	}
	release := func() { a.store.answers.Release(a.held) }
	if err != nil {
		release()
		return
	}
	context.AfterFunc(ctx, release)
}
