#!/usr/bin/env bash
# Checks the source without running the gateway. All checks run, so that one call shows all that is wrong. The script fails
# when one of them did.
set -uo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
failed=()

# check runs a command, and prints its name and its output when it fails.
check() {
  local name=$1 out
  shift
  out=$("$@" 2>&1) && return
  failed+=("$name")
  printf -- '--- %s failed:\n%s\n' "$name" "$out"
}

# none fails when a command prints something. It is for commands that list faults and exit with 0.
none() {
  local out
  out=$("$@") || true
  [ -z "$out" ] || { printf '%s\n' "$out"; return 1; }
}

# Files that git would add are checked too; files that are deleted, but still tracked, are not.
unformatted() {
  git ls-files -z --cached --others --exclude-standard --deduplicate '*.go' |
    while IFS= read -rd '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    xargs -0 "$("$go" env GOROOT)/bin/gofmt" -l 2>&1
}

check "gofmt -l" none unformatted
check "git ls-files -ci --exclude-standard (tracked, and named in .gitignore)" none git ls-files --cached --ignored --exclude-standard
# staticcheck is the only linter, and reports a lint:ignore that matches nothing. A nolint would have no reader.
check "git grep nolint (no linter reads it)" none git grep -nE '//\s*nolint' -- '*.go'

# The tools are a module of their own, so that the gateway's go.mod lists only what the gateway needs.
check "build of staticcheck" "$go" -C scripts/tools tool -n staticcheck
staticcheck=$("$go" -C scripts/tools tool -n staticcheck 2>/dev/null)

# Not bench/peers: what we measure against takes a minute to compile, and is built by who measures.
for mod in $(git ls-files '*go.mod' ':!bench/peers'); do
  dir=$(dirname "$mod")
  check "go mod tidy -diff in $dir" "$go" -C "$dir" mod tidy -diff
  case $dir in scripts/tools*) continue ;; esac # they have no packages
  check "go vet in $dir" "$go" -C "$dir" vet -tags trouble,soak ./...
  [ -z "$staticcheck" ] || check "staticcheck in $dir" env -C "$dir" "$staticcheck" -tags trouble,soak ./...
  [ "$dir" != . ] || continue # make test builds and tests the gateway itself
  check "go build in $dir" "$go" -C "$dir" build -o /dev/null ./...
  check "go test in $dir" "$go" -C "$dir" test ./...
done

[ ${#failed[@]} -eq 0 ] && exit
echo "make check failed at:"
printf '  %s\n' "${failed[@]}"
exit 1
