package share

import "context"

// owned is a context with an owner. As a type of its own it needs one allocation, where context.WithValue needs two.
// Every publish makes one.
type owned struct {
	context.Context
	owner string
}

type ownerKey struct{}

// Value returns o itself for ownerKey, otherwise the context's value.
func (o *owned) Value(key any) any {
	if key == (ownerKey{}) {
		return o
	}
	return o.Context.Value(key)
}

// With returns a context whose work and memory are charged to owner.
func With(ctx context.Context, owner string) context.Context { return &owned{ctx, owner} }

// Owner returns the owner that the work of ctx is charged to. All work without an owner is charged to "", as to one
// owner.
func Owner(ctx context.Context) string {
	if o, ok := ctx.Value(ownerKey{}).(*owned); ok {
		return o.owner
	}
	return ""
}
