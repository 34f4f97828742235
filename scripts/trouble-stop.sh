#!/usr/bin/env bash
# Long pauses: the process is stopped for a minute with 10,000 clients, and none of them is closed.
set -euo pipefail
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
TROUBLE_STOP=long go test -count=1 -timeout 20m -v -run 'TestStop' ./cli
