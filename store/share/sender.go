package share

import "context"

// Sender is whose request a context is of, for those who look into the gateway. Nothing is decided by it.
type Sender struct {
	Name, Kind string // of the credential
	Door       string
	RequestID  string
	From       string // the address
}

// sent is a context with an owner and a sender, in one allocation: every publish makes one.
type sent struct {
	owned
	sender Sender
}

type senderKey struct{}

// Value returns s itself for senderKey, otherwise the value of the context with the owner.
func (s *sent) Value(key any) any {
	if key == (senderKey{}) {
		return s
	}
	return s.owned.Value(key)
}

// WithSender is With for a request that may store events.
func WithSender(ctx context.Context, owner string, by Sender) context.Context {
	return &sent{owned{ctx, owner}, by}
}

// SenderOf returns the sender of ctx, if it has one.
func SenderOf(ctx context.Context) (Sender, bool) {
	if s, ok := ctx.Value(senderKey{}).(*sent); ok {
		return s.sender, true
	}
	return Sender{}, false
}
