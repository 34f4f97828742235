#!/usr/bin/env bash
# Stops the process for a minute while it has 10,000 clients. None of them may lose its connection.
set -euo pipefail
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
TROUBLE_STOP=long go test -count=1 -timeout 20m -v -run 'TestStop' ./cli
