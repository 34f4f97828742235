#!/usr/bin/env bash
# Clients disappear without closing their connections: of a stream and of a socket, in clear text and over TLS. The gateway must
# close them after TCP_USER_TIMEOUT, which is WRITE_TIMEOUT plus 5 s. The clients run in a network namespace, so this needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
pid=
clients=()
key=half-open-key-012345
finish() {
  for p in $pid "${clients[@]}"; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null || true; done
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
ip netns exec sluice-half ip link set sluice-h1 up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=sluice -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
open() { ss -Htn state established 'sport = :9333' | wc -l; }

# vanish takes the scheme, and settings of the gateway.
vanish() {
  local scheme=$1
  shift
  ip netns exec sluice-half ip addr add 10.99.0.2/24 dev sluice-h1
  env ADDR=10.99.0.1:9333 DATA_DIR=memory LOG_LEVEL=warn WRITE_TIMEOUT=3s PING_INTERVAL=1s ROOM_CREATE=open METRICS_ADDR=127.0.0.1:0 \
    API_KEYS='[{"name":"half","key":"'$key'","sub":["*"],"rest":["*:*"]}]' "$@" bin/sluice >"$dir/out" &
  pid=$!
  sleep 1
  local upgrade=(-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==')
  clients=()
  for path in /realtime '/realtime?from=earliest' /room/half/connect "/websocket?access_token=$key"; do
    local more=(-H "x-apikey: $key")
    case $path in /room/* | /websocket*) more=("${upgrade[@]}") ;; esac
    ip netns exec sluice-half curl -skN --http1.1 "${more[@]}" "$scheme://10.99.0.1:9333$path" >"$dir/client" &
    clients+=($!)
  done
  sleep 2
  [ "$(open)" = 4 ] || { echo "$scheme: $(open) of 4 clients are connected" >&2; exit 1; }
  ip netns exec sluice-half ip addr del 10.99.0.2/24 dev sluice-h1 # no answer from here on, not even a refusal
  for second in $(seq 25); do
    sleep 1
    [ "$(open)" != 0 ] || break
  done
  [ "$(open)" = 0 ] || { echo "$scheme: $(open) are still open after 25 s" >&2; exit 1; }
  echo "$scheme: 4 were closed after $second s"
  for p in $pid "${clients[@]}"; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null || true; done
  pid= clients=()
}
vanish http WEBSOCKET_HEARTBEAT=2s
vanish https WEBSOCKET_HEARTBEAT=2s TLS_CERT_FILE="$dir/cert.pem" TLS_KEY_FILE="$dir/key.pem"
