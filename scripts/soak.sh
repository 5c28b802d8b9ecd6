#!/bin/bash
# The long forms of the tests: those that DRIFTBENCH_SOAK makes long, with what
# they measured, and then every fuzz target for FUZZTIME.
set -euo pipefail
cd "$(dirname "$0")/.."
. .deps/env
export DRIFTBENCH_SOAK=1

packages=$(git grep -l DRIFTBENCH_SOAK -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|')
printf '== %s\n' "$packages"
# Both engines' thousands of openings take minutes: no package's time is cut.
failed=()
go test -count=1 -timeout 60m -v $packages | { grep -E '^(ok|FAIL|#|---|panic| +---| +\w+_test\.go)' || true; } || failed+=("the long forms")

for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		printf '\n== %s %s\n' "$package" "$target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" "$package" | tail -n 5 || failed+=("$package $target")
	done
done
((${#failed[@]} == 0)) || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
