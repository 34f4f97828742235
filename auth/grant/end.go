package grant

import "context"

// End is the reason why a Life ended.
type End string

func (e End) Error() string { return string(e) }

// Why a credential ends.
const (
	Revoked End = "revoked" // it was removed
	Changed End = "changed" // its grant was changed
	Expired End = "exp"     // its time is over
)

// Life lasts until a key, user or session is changed or removed. Then the streams and sockets that were opened with it
// end too.
type Life struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// NewLife begins a life. It need not be released.
func NewLife() *Life {
	l := &Life{}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// End ends the life. Only the first call counts.
func (l *Life) End(why End) { l.end(why) }

// Ended returns the reason why the life ended, or "" if it has not.
func (l *Life) Ended() End {
	if l.ctx.Err() == nil {
		return ""
	}
	why, _ := context.Cause(l.ctx).(End) // nothing else ends it
	return why
}

// OnEnd calls f when the life ends; not after stop is called. No goroutine waits for it.
func (l *Life) OnEnd(f func(End)) (stop func() bool) {
	return context.AfterFunc(l.ctx, func() { f(l.Ended()) })
}
