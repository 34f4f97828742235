package share

import "context"

// owned is a context with an owner. Being a type of its own, it takes one allocation where context.WithValue takes two;
// every publish makes one.
type owned struct {
	context.Context
	owner string
}

type ownerKey struct{}

// Value is the context's; it finds itself for Owner.
func (o *owned) Value(key any) any {
	if key == (ownerKey{}) {
		return o
	}
	return o.Context.Value(key)
}

// With returns a context whose work and memory are charged to owner.
func With(ctx context.Context, owner string) context.Context { return &owned{ctx, owner} }

// Owner returns who the work of ctx is charged to. Work without an owner is charged to "", one owner for all of it.
func Owner(ctx context.Context) string {
	if o, ok := ctx.Value(ownerKey{}).(*owned); ok {
		return o.owner
	}
	return ""
}
