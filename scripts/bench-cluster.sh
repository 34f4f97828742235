#!/usr/bin/env bash
# Compares one gateway with a cluster of three, all on this machine: how fast events are published, how late they are delivered
# by the publisher's gateway and by another one, the CPU time of a delivery, and how fast a gateway catches up. It takes about two
# minutes.
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
servers=$(cat "$folder"/cluster/nats-*.pid | paste -sd,)
own=$(cat "$folder/cluster/gateway-1.pid")
other=$(cat "$folder/cluster/gateway-2.pid")

# bench KEY URL PIDS ARGUMENTS... prints the report.
bench() {
  local with=$1 url=$2 pids=$3
  shift 3
  SLUICE_KEY=$with bin/sluice bench --url "$url" --pid "$pids" --json "$@"
}

# publish NAME KEY URL PIDS OF-WHAT ARGUMENTS...
publish() {
  local name=$1 with=$2 url=$3 pids=$4 what=$5
  shift 5
  bench "$with" "$url" "$pids" -n 0 "$@" | jq -r --arg name "$name" --arg what "$what" '.publish |
    "\($name): \(.per_second | round) events/s, p50 \(.p50_ms) ms, p99 \(.p99_ms) ms, \(.cpu_us_each) us CPU an event in \($what)"'
}
publishing() {
  local name=$1
  shift
  publish "one gateway, $name" "$key" http://127.0.0.1:18090 "$one" "it" "$@"
  publish "cluster, $name" "$KEY" http://127.0.0.1:18081 "$own" "the publisher's gateway" "$@"
  publish "cluster, $name" "$KEY" http://127.0.0.1:18081 "$other" "another gateway" "$@"
  publish "cluster, $name" "$KEY" http://127.0.0.1:18081 "$servers" "three servers" "$@"
}
publishing "1 publisher" -e 3000 -p 1
publishing "16 publishers" -e 20000 -p 16
publishing "64 publishers" -e 30000 -p 64
publishing "16 publishers, batches of 100" -e 300000 -p 16 --batch 100

# deliver NAME KEY URL PIDS ARGUMENTS...: each event goes to 500 subscribers, 20 times a second. The latency counts from before
# the publish.
deliver() {
  local name=$1 with=$2 url=$3 pids=$4
  shift 4
  bench "$with" "$url" "$pids" -n 500 -e 200 -r 20 "$@" | jq -r --arg name "$name" '.delivery |
    "\($name): delivered after p50 \(.p50_ms) ms, p99 \(.p99_ms) ms, \(.cpu_us_each) us CPU a delivery"'
}
at=(--publish-at http://127.0.0.1:18081)
for _ in 1 2 3; do
  deliver "one gateway, 500 streams" "$key" http://127.0.0.1:18090 "$one"
  deliver "cluster, 500 streams at the publisher's gateway" "$KEY" http://127.0.0.1:18081 "$own" "${at[@]}"
  deliver "cluster, 500 streams at another gateway" "$KEY" http://127.0.0.1:18082 "$other" "${at[@]}"
done
deliver "cluster, 1 stream at the publisher's gateway" "$KEY" http://127.0.0.1:18081 "$own" "${at[@]}" -n 1
deliver "cluster, 1 stream at another gateway" "$KEY" http://127.0.0.1:18082 "$other" "${at[@]}" -n 1

# A gateway that was away catches up.
away=$(cat "$folder/cluster/gateway-3.pid")
mapfile -d '' -t environment <"/proc/$away/environ"
kill "$away"
while kill -0 "$away" 2>/dev/null; do sleep 0.1; done
events=1000000
bench "$KEY" http://127.0.0.1:18081 "$own" -n 0 -e "$events" -p 16 --batch 100 >/dev/null
begun=$(date +%s%N)
env -i "${environment[@]}" bin/sluice serve >"$folder/back.log" 2>&1 &
back=$!
pids+=("$back")
until curl -fs http://127.0.0.1:18083/readyz >/dev/null; do sleep 0.05; done
took=$(($(date +%s%N) - begun))
read -ra stat <"/proc/$back/stat" # fields 14 and 15: CPU time in clock ticks
echo "a gateway caught up with $events events: $((events * 1000 / (took / 1000000))) events/s; $(((stat[13] + stat[14]) * 1000 / $(getconf CLK_TCK))) ms of its CPU"
