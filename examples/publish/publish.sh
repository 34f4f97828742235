#!/usr/bin/env bash
# Publishes events, each of them once: what got no answer is sent again with the same Idempotency-Key.
# curl does the repeats: after no answer, 408, 429 and 5xx, after the time that Retry-After asks for.
set -euo pipefail

# publish stores one event, or all events of a JSON array, and prints the gateway's answer.
publish() {
  local gateway=${GATEWAY:-http://127.0.0.1:8080} answer status
  answer=$(mktemp)
  # The key of the gateway comes from a file descriptor: arguments are visible in the list of processes.
  # PATIENCE is less than the two minutes for which the gateway remembers the Idempotency-Key.
  status=$(curl --silent --show-error --output "$answer" --write-out '%{http_code}' \
    --retry 20 --retry-all-errors --retry-max-time "${PATIENCE:-60}" --max-time 10 \
    --header @<(printf 'x-apikey: %s\n' "${KEY:-}") --header 'Content-Type: application/json' \
    --header "Idempotency-Key: $(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" \
    --data-binary @- "$gateway/realtime" <<<"$1") || true
  case $status in
    200) cat "$answer" ;;
    000) echo "not published: no answer from $gateway" >&2 ;;
    *) echo "not published: $status $(head -c 500 "$answer")" >&2 ;;
  esac
  rm -f "$answer"
  [ "$status" = 200 ]
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  if [ $# -ne 1 ] || [ -z "$1" ]; then
    echo "give an event, or several, as JSON: '{\"event\":\"news\",\"data\":\"hello\"}'" >&2
    exit 1
  fi
  publish "$1"
fi
