#!/usr/bin/env bash
# Runs the tests in small containers for a long time. With 256 MiB, the gateway serves 15,000 idle streams, and 1,000 clients
# that come back at once. With 64 MiB it still works. This makes control groups, so it needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
TROUBLE_MEMORY=long go test -count=1 -timeout 20m -v -run 'TestCrowdInSmallMemory|TestServesInLittleMemory|TestHoldersInLittleMemory' ./cli
