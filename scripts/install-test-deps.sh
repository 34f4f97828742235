#!/usr/bin/env bash
# Installs the programs that the tests need and that are missing: nginx (proxy test), Chromium and Firefox (browser
# tests), gcc (race detector), ip and openssl (tests of clusters), Flask, Django, PHP, Sinatra and Express (examples/auth).
# PHP, Ruby and curl are for examples/publish too.
# This works on Debian; on other systems, install them by hand.
set -euo pipefail
cd "$(dirname "$0")/../examples/auth/express"
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --silent
missing=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v chromium >/dev/null || missing+=(chromium)
command -v firefox-esr >/dev/null || missing+=(firefox-esr)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v curl >/dev/null || missing+=(curl)
command -v openssl >/dev/null || missing+=(openssl)
[ "$(uname)" != Linux ] || command -v ip >/dev/null || missing+=(iproute2)
# Debian's own Python, which finds Debian's packages, may not be the first in PATH.
/usr/bin/python3 -c 'import flask' 2>/dev/null || python3 -c 'import flask' 2>/dev/null || missing+=(python3-flask)
/usr/bin/python3 -c 'import django' 2>/dev/null || python3 -c 'import django' 2>/dev/null || missing+=(python3-django)
command -v php >/dev/null || missing+=(php-cli)
ruby -e 'require "sinatra/base"; require "webrick"' 2>/dev/null || missing+=(ruby-sinatra ruby-webrick)
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "please install: ${missing[*]}" >&2
  exit 1
fi
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# nginx must not start as a service: the test starts its own.
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
