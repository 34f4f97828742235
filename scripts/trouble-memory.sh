#!/usr/bin/env bash
# Small containers, for long: 256 MiB hold 15,000 idle streams and a storm of 1,000 clients that come back, 64 MiB serve
# (root: it makes control groups).
set -euo pipefail
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
TROUBLE_MEMORY=long go test -count=1 -timeout 20m -v -run 'TestCrowdInSmallMemory|TestServesInLittleMemory|TestHoldersInLittleMemory' ./cli
