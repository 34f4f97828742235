//go:build linux && chaos

package clustertest_test

import (
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"sluice/cluster/clustertest"
)

// TestChaos harms a cluster in every way, one after another and at random, for CHAOS_MINUTES, while clients publish and read.
// CHAOS_SEED repeats an order; CHAOS_ONLY is a regular expression for the names of those to run.
func TestChaos(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv("CHAOS_MINUTES"), 64)
	if err != nil {
		minutes = 10
	}
	seed, err := strconv.ParseUint(os.Getenv("CHAOS_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("CHAOS_MINUTES=%g CHAOS_SEED=%d", minutes, seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	only, err := regexp.Compile(os.Getenv("CHAOS_ONLY"))
	if err != nil {
		t.Fatal(err)
	}
	var all []nemesis
	for _, n := range nemeses {
		if only.MatchString(n.name) {
			all = append(all, n)
		}
	}
	x := startChaos(t, clustertest.StartInNamespaces(t, 3))
	end := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	for first := true; first || time.Now().Before(end); first = false { // each at least once
		for _, i := range dice.Perm(len(all)) {
			if !first && time.Now().After(end) {
				break
			}
			x.run(all[i], dice.IntN(len(x.c.Nodes)))
		}
	}
	x.verdict()
}
