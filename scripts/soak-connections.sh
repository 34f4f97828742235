#!/usr/bin/env bash
# Clients by thousands come and go, over TLS and on WebSockets, while events are published. None of them may miss anything, get it
# twice or out of order, and nothing may stay behind at the gateway. SOAK_CONNECTIONS=15000, SOAK_RATE=20 (events a second of a kind).
set -euo pipefail
cd "$(dirname "$0")/.."
ulimit -n "$(ulimit -Hn)"
"${GO:-go}" test -tags soak -count=1 -timeout 20m -run TestSoakConnections -v ./cli
