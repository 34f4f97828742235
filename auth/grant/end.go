package grant

import "context"

// End is why what was opened with a credential ends. It is the cause that a Life ends with.
type End string

func (e End) Error() string { return string(e) }

// Why a credential ends.
const (
	Revoked End = "revoked" // it is gone
	Changed End = "changed" // another grant has taken its place
)

// Life lasts as long as the key or user that it is of stays as it is.
type Life struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// NewLife begins one. It holds nothing that needs to be released.
func NewLife() *Life {
	l := &Life{}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// End ends it; the first end counts.
func (l *Life) End(why End) { l.end(why) }

// Ended is why it ended, "" while it lasts.
func (l *Life) Ended() End {
	if l.ctx.Err() == nil {
		return ""
	}
	why, _ := context.Cause(l.ctx).(End) // nothing else ends it
	return why
}

// OnEnd calls f once it ends, until stop is called. No goroutine waits for it.
func (l *Life) OnEnd(f func(End)) (stop func() bool) {
	return context.AfterFunc(l.ctx, func() { f(l.Ended()) })
}
