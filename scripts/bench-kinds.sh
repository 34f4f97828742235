#!/usr/bin/env bash
# Measures what a connection of each kind takes, in clear text, over TLS and over HTTP/2, and the same loads on bare loops.
# It takes about ten minutes and prints the tables of docs/sizing.md; -write writes them there, and -only TEXT measures
# some kinds.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(nproc)" -ge 2 ] || { echo "this needs two processors: one for the server, one for the load" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/sluice" .
(cd bench && go build -o "$bin/" ./floor ./streams ./gobwas ./socket && go build -o "$bin/driver" .)
"$bin/driver" -kinds -bin "$bin" -root . "$@"
