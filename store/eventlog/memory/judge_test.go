package memory_test

import (
	"testing"

	"sluice/store/eventlog/logtest"
)

// TestJudge: engines that apply the same entries come to the same state. The test of the other engine compares both kinds.
func TestJudge(t *testing.T) {
	t.Parallel()
	logtest.Judge(t, opener{}, opener{})
}
