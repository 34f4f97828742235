package share

import "context"

type ownerKey struct{}

// With returns a context whose work and memory are charged to owner.
func With(ctx context.Context, owner string) context.Context {
	return context.WithValue(ctx, ownerKey{}, owner)
}

// Owner returns who the work of ctx is charged to. Work without an owner is charged to "", one owner for all of it.
func Owner(ctx context.Context) string {
	owner, _ := ctx.Value(ownerKey{}).(string)
	return owner
}
