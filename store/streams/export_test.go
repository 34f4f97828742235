package streams

import (
	"context"
	"runtime"

	"sluice/store/share"
)

// ClonesWaiting is how many clones of an owner wait.
func (c *Catalog) ClonesWaiting(owner string) int {
	return c.cloning.Waiting(share.With(context.Background(), owner))
}

// TakeLooks takes all slots of reads for the owner of ctx.
func (c *Catalog) TakeLooks(ctx context.Context) (release func()) {
	var all []func()
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		done, err := c.looks.Acquire(ctx)
		if err != nil {
			panic(err)
		}
		all = append(all, done)
	}
	return func() {
		for _, done := range all {
			done()
		}
	}
}

// SetLimits has other bounds from now on; nothing else may use the catalog meanwhile.
func (c *Catalog) SetLimits(l Limits) { c.limits = l }
