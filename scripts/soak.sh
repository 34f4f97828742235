#!/usr/bin/env bash
# Many clients connect and disconnect, again and again, for some minutes. Afterwards, memory, descriptors and goroutines
# must be about what they were after the first time.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-40}
ulimit -n "$(ulimit -Hn)"
dir=$(mktemp -d)
export SLUICE_KEY=soak-key-0123456789
ADDR=127.0.0.1:9211 DATA_DIR=$dir/data LOG_LEVEL=warn API_KEYS='[{"name":"soak","key":"soak-key-0123456789","sub":["*"],"pub":["*"]}]' bin/sluice &
pid=$!
trap 'kill $pid; wait $pid 2>/dev/null || true; rm -rf "$dir"' EXIT
sleep 1
look() {
  sleep 13 # the gateway returns memory a few seconds after the clients have gone
  rss=$(awk '/VmRSS/{print $2}' /proc/$pid/status)
  files=$(ls /proc/$pid/fd | wc -l)
  goroutines=$(curl -s -H "x-apikey: $SLUICE_KEY" http://127.0.0.1:9211/metrics | awk '/^go_goroutines/{print $2}')
  echo "$1: RSS $rss KiB, $files descriptors, $goroutines goroutines"
}
round() { bin/sluice bench -n 15000 -e 20 -r 20 --pid $pid http://127.0.0.1:9211 | tail -1; }
round
look "after one crowd of 15,000"
first_rss=$rss first_files=$files first_goroutines=$goroutines
for i in $(seq "$rounds"); do round; done
look "after $rounds more"
[ "$rss" -le $((first_rss * 13 / 10 + 8192)) ] && [ "$files" -le $((first_files + 4)) ] && [ "${goroutines%.*}" -le $((${first_goroutines%.*} + 4)) ] ||
  { echo "memory, descriptors or goroutines have grown" >&2; exit 1; }
