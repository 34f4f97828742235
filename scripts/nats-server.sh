#!/usr/bin/env bash
# Builds nats-server into bin/, from the version in scripts/tools/nats/go.mod. It is a module of its own, so that the gateway's
# go.mod does not list what only tests and make cluster need. The script does nothing if that version is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
version=$(awk '$1 == "github.com/nats-io/nats-server/v2" { print $2 }' scripts/tools/nats/go.mod)
built=bin/nats-server
[ "$("$built" --version 2>/dev/null)" != "nats-server: $version" ] || exit 0
mkdir -p bin
# Several tests may build at the same time. A rename lets each find a whole file.
new=$(mktemp "$PWD/bin/nats-server.XXXXXX")
trap 'rm -f "$new"' EXIT
"$go" -C scripts/tools/nats build -trimpath -o "$new" github.com/nats-io/nats-server/v2
chmod 0755 "$new"
mv "$new" "$built"
