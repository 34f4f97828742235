#!/usr/bin/env bash
# Compares publishing to one gateway with publishing to a gateway of a cluster of three, all on this machine: events a second,
# and CPU time for each event in the gateways and in the NATS servers. It takes about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
make -s build nats-server
folder=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap stop EXIT

mkdir "$folder/one"
key=benchmark-key-of-this-script
API_KEYS='[{"name":"bench","key":"'$key'","sub":["*"],"pub":["*"]}]' ADDR=127.0.0.1:18090 DATA_DIR="$folder/one" bin/sluice serve 2>"$folder/one.log" &
one=$!
pids+=("$one")
PORT=18080 NATS_PORT=14222 deploy/cluster/laptop.sh "$folder/cluster" >"$folder/cluster.log" 2>&1 &
pids+=("$!")
for _ in $(seq 100); do
  if curl -fs http://127.0.0.1:18090/readyz >/dev/null && curl -fs http://127.0.0.1:18083/readyz >/dev/null; then break; fi
  sleep 0.3
done
# shellcheck disable=SC1091 # written by laptop.sh
. "$folder/cluster/secrets"
gateways=$(cat "$folder"/cluster/gateway-*.pid | paste -sd,)
servers=$(cat "$folder"/cluster/nats-*.pid | paste -sd,)

# measure NAME KEY URL PIDS OF-WHAT ARGUMENTS...
measure() {
  local name=$1 with=$2 url=$3 pids=$4 what=$5
  shift 5
  SLUICE_KEY=$with bin/sluice bench --url "$url" --pid "$pids" --json -n 0 "$@" |
    jq -r --arg name "$name" --arg what "$what" '.publish |
      "\($name): \(.per_second | round) events/s, p50 \(.p50_ms) ms, p99 \(.p99_ms) ms, \(.cpu_us_each) us CPU an event in \($what)"'
}
compare() {
  local name=$1
  shift
  measure "one gateway, $name" "$key" http://127.0.0.1:18090 "$one" "it" "$@"
  measure "cluster, $name" "$KEY" http://127.0.0.1:18081 "$gateways" "three gateways" "$@"
  measure "cluster, $name" "$KEY" http://127.0.0.1:18081 "$servers" "three servers" "$@"
}
compare "1 publisher" -e 3000 -p 1
compare "16 publishers" -e 20000 -p 16
compare "64 publishers" -e 30000 -p 64
compare "16 publishers, batches of 100" -e 300000 -p 16 --batch 100
