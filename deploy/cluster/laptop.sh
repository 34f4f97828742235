#!/bin/sh
# Runs a whole cluster on one machine, to try it: three NATS servers, three gateways, and nginx as the balancer. Ctrl-C stops
# all. The data stays in the folder, and the next start goes on with it.
#
#   deploy/cluster/laptop.sh [FOLDER]      (data/cluster; make cluster builds the programs first)
#
# Everything listens on loopback only. PORT (8080) is the balancer's port; the gateways have the three behind it. NATS_PORT
# (4222) is the first of nine ports of the servers: for gateways, for routes between the servers, and for monitoring. BIN (bin)
# is the folder of the two programs.
set -eu
cd "$(dirname "$0")/../.."
folder=${1:-data/cluster}
port=${PORT:-8080}
nats_port=${NATS_PORT:-4222}
here=$PWD/deploy/cluster
bin=$(cd "${BIN:-bin}" && pwd) || bin=bin

fail() { echo "laptop.sh: $*" >&2; exit 1; }
[ -x "$bin/sluice" ] || fail "$bin/sluice is missing: run make build"
[ -x "$bin/nats-server" ] || fail "$bin/nats-server is missing: run make nats-server"
nginx=$(command -v nginx || true)
[ -n "$nginx" ] || nginx=/usr/sbin/nginx
[ -x "$nginx" ] || fail "nginx is missing: install it (apt-get install nginx-light, brew install nginx)"
for program in curl openssl; do command -v "$program" >/dev/null || fail "$program is missing: install it"; done

umask 077 # the folder has secrets
mkdir -p "$folder/nginx"
folder=$(cd "$folder" && pwd)

# A password begins with a letter, because NATS takes a text like 5e10 for a number.
secret() { echo "p$(openssl rand -hex 32)"; }
if ! [ -e "$folder/secrets" ]; then
  for name in NATS_PASSWORD NATS_ROUTE_PASSWORD NATS_ADMIN_PASSWORD CLUSTER_SECRET ADMIN_KEY KEY; do
    echo "$name=$(secret)"
  done >"$folder/secrets.new"
  mv "$folder/secrets.new" "$folder/secrets"
fi
# shellcheck disable=SC1091 # written above
. "$folder/secrets"

pids=
stop() {
  trap '' INT TERM # once is enough
  trap - EXIT
  echo "stopping; the data stays in $folder"
  # The gateways end first, while the servers are there: they give their streams a last frame.
  # shellcheck disable=SC2086 # a list of numbers
  for pid in $pids; do kill -TERM "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
  rm -f "$folder"/*.pid # another process may get such a number
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# run starts a program whose output goes to a file. Ctrl-C reaches all processes of a group at once, and stop ends them in
# order, so each has a group of its own where setsid is there (not on macOS).
run() {
  log=$folder/$1.log
  shift
  if command -v setsid >/dev/null; then set -- setsid "$@"; fi
  "$@" >>"$log" 2>&1 &
  echo $! >"${log%.log}.pid"
  pids="$! $pids" # the last that started ends first
}

# await waits until a command works, for 60 s.
await() {
  what=$1 tries=0
  shift
  while :; do
    for pid in $pids; do kill -0 "$pid" 2>/dev/null || fail "a process has ended. Are its ports free? See the end of $folder/*.log"; done
    if "$@" >/dev/null 2>&1; then return; fi
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "$what did not come up. See the end of $folder/*.log"
    sleep 0.1
  done
}

routes=
urls=
for i in 0 1 2; do
  routes="$routes${routes:+, }nats://routes:$NATS_ROUTE_PASSWORD@127.0.0.1:$((nats_port + 3 + i))"
  urls="$urls${urls:+,}nats://sluice:$NATS_PASSWORD@127.0.0.1:$((nats_port + i))"
done
for i in 0 1 2; do
  run "nats-$((i + 1))" env NATS_NAME="nats-$((i + 1))" NATS_LISTEN="127.0.0.1:$((nats_port + i))" NATS_MONITOR="127.0.0.1:$((nats_port + 6 + i))" \
    NATS_ROUTE_LISTEN="127.0.0.1:$((nats_port + 3 + i))" NATS_ROUTES="[$routes]" NATS_STORE="$folder/nats-$((i + 1))" NATS_DISK=4GB \
    NATS_PASSWORD="$NATS_PASSWORD" NATS_ROUTE_PASSWORD="$NATS_ROUTE_PASSWORD" NATS_ADMIN_PASSWORD="$NATS_ADMIN_PASSWORD" \
    "$bin/nats-server" -c "$here/nats-server.conf"
done
for i in 0 1 2; do await "NATS server $((i + 1))" curl -fs "http://127.0.0.1:$((nats_port + 6 + i))/healthz"; done

export CLUSTER_URL="$urls" CLUSTER_SECRET ADMIN_KEY TRUSTED_PROXIES=127.0.0.1 ROOM_CREATE=open
export API_KEYS="[{\"name\":\"laptop\",\"key\":\"$KEY\",\"sub\":[\"*\",\"*:*\"],\"pub\":[\"*\",\"*:*\"],\"rest\":[\"*:*\"]}]"
cd "$folder" # a .env of the repository is not for these gateways
if ! [ -e initialized ]; then
  CLUSTER_NODE=gateway-1 DATA_DIR="$folder/gateway-1" "$bin/sluice" cluster init >init.log # its next steps are done below
  : >initialized
fi
for i in 1 2 3; do
  run "gateway-$i" env CLUSTER_NODE="gateway-$i" ADDR="127.0.0.1:$((port + i))" DATA_DIR="$folder/gateway-$i" "$bin/sluice" serve
done
for i in 1 2 3; do await "gateway $i" curl -fs "http://127.0.0.1:$((port + i))/readyz"; done

# The deployed configuration, with these addresses, and with its files in the folder.
{
  echo "daemon off; pid $folder/nginx/pid; error_log $folder/nginx/error.log warn;"
  [ "$(id -u)" -ne 0 ] || echo "user root;" # the workers of root's nginx may not read the folder otherwise
  echo "events {}"
  echo "http {"
  for temp in client_body proxy fastcgi uwsgi scgi; do echo "  ${temp}_temp_path $folder/nginx/$temp;"; done
  sed -e "s|listen 80;|listen 127.0.0.1:$port;|" -e "s|/var/log/nginx/|$folder/nginx/|" -e "s|gateway-1:8080|127.0.0.1:$((port + 1))|" \
    -e "s|gateway-2:8080|127.0.0.1:$((port + 2))|" -e "s|gateway-3:8080|127.0.0.1:$((port + 3))|" \
    "$here/nginx.conf"
  echo "}"
} >nginx/nginx.conf
run nginx "$nginx" -p "$folder/nginx" -e "$folder/nginx/start.log" -c "$folder/nginx/nginx.conf"
await nginx curl -fs "http://127.0.0.1:$port/readyz"

cat <<END

A cluster of three gateways is behind http://127.0.0.1:$port (the gateways: ports $((port + 1)) to $((port + 3)); logs and data: $folder).

Watch events at one gateway, in one terminal:

  curl -N -H 'x-apikey: $KEY' http://127.0.0.1:$((port + 1))/realtime

Publish one at another, in another:

  curl -H 'x-apikey: $KEY' -H 'Content-Type: application/json' -d '{"event":"hello","data":"world"}' http://127.0.0.1:$((port + 2))/realtime

Or watch them in a browser, through the balancer:

  http://127.0.0.1:$port/#apikey=$KEY

Ctrl-C stops all. To see what the loss of one does, kill its process: $folder/*.pid has the numbers.

END
while :; do
  sleep 1 &
  wait $! || true
done
