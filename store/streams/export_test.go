package streams

import (
	"context"
	"runtime"

	"sluice/store/share"
)

// ClonesWaiting is the number of clones of an owner that wait.
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
