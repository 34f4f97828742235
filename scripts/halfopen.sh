#!/usr/bin/env bash
# A client disappears without closing its connection. The gateway must close it after TCP_USER_TIMEOUT, which is
# WRITE_TIMEOUT plus 5 s. The client runs in a network namespace, so this needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
pid= client=
finish() {
  for p in $pid $client; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null || true; done
  ip netns del sluice-half 2>/dev/null || true
  ip link del sluice-h0 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
ip netns add sluice-half
ip link add sluice-h0 type veth peer name sluice-h1
ip link set sluice-h1 netns sluice-half
ip addr add 10.99.0.1/24 dev sluice-h0
ip link set sluice-h0 up
ip netns exec sluice-half ip addr add 10.99.0.2/24 dev sluice-h1
ip netns exec sluice-half ip link set sluice-h1 up
ADDR=10.99.0.1:9333 DATA_DIR=memory LOG_LEVEL=warn WRITE_TIMEOUT=3s PING_INTERVAL=1s \
  API_KEYS='[{"name":"half","key":"half-open-key-012345","sub":["*"]}]' bin/sluice >"$dir/out" &
pid=$!
sleep 1
ip netns exec sluice-half curl -sN -H 'x-apikey: half-open-key-012345' http://10.99.0.1:9333/realtime >"$dir/stream" &
client=$!
sleep 2
open() { ss -Htn state established 'sport = :9333' | wc -l; }
[ "$(open)" = 1 ] || { echo "the client is not connected" >&2; exit 1; }
ip netns exec sluice-half ip addr del 10.99.0.2/24 dev sluice-h1 # no answer from here on, not even a refusal
for second in $(seq 20); do
  sleep 1
  if [ "$(open)" = 0 ]; then echo "closed after $second s"; exit 0; fi
done
echo "still open after 20 s" >&2
exit 1
