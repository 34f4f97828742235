#!/usr/bin/env bash
# Builds the gateway and the servers that it is compared with, and runs the whole comparison, which takes about twenty
# minutes. Arguments go to the driver: -only TEXT runs some rows; -write writes them to docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(nproc)" -ge 2 ] || { echo "make bench needs two processors: one for the server, one for the load" >&2; exit 1; }
if ! [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ]; then
  apt-get update -q >/dev/null && apt-get install -qy nginx libnginx-mod-nchan >/dev/null
fi
ulimit -n "$(ulimit -Hn)"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/sluice" .
(cd bench && go build -o "$bin/" ./peers/r3labs ./peers/gosse ./floor ./nethttp ./socket ./streams ./gobwas && go build -o "$bin/driver" .)
(cd bench/peers/pocketbase && go build -o "$bin/pocketbase" .)
"$bin/driver" -bin "$bin" -root . "$@"
