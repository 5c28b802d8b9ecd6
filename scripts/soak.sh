#!/bin/bash
# The long forms of the tests, each for the minutes stated here, and then every
# fuzz target for FUZZTIME. A long form ends early when it has done its number of
# rounds, and says how many it did when its time ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
. .deps/env
export DRIFTBENCH_SOAK=1

# package, test, minutes
long='
./bench/driftbench TestSoak/tensorflow 8
./bench/driftbench TestSoak/table 8
./bench/driftbench TestRunIsKilled 8
./bench/driftbench TestWorkerAndMergeAreKilled 8
./bench/driftbench TestDiskIsFull 8
./bench/driftbench TestInterruptedAnywhere 5
./bench TestVerdictsOfGroupedFiles 3
./stats TestGrouped 4
'
[[ "${FUZZTIME:=20s}" =~ ^([0-9]+)(s|m|h)$ ]] || { echo "FUZZTIME=$FUZZTIME: want a number of seconds, minutes or hours, such as 20s" >&2; exit 2; }
declare -A seconds=([s]=1 [m]=60 [h]=3600)
each=$((BASH_REMATCH[1] * seconds[${BASH_REMATCH[2]}]))
start=15 # most seconds that a target takes before and after

targets=$(git grep -hoE '^func Fuzz\w+' -- '*_test.go' | wc -l)
minutes=$(awk 'NF { sum += $3 } END { print sum }' <<<"$long")
printf 'make soak takes at most %d minutes once it is built: %d for the long tests, and %d fuzz targets of %s and %d s each\n' \
	$((minutes + (targets * (each + start) + 59) / 60)) "$minutes" "$targets" "$FUZZTIME" "$start"

bins=$(mktemp -d)
trap 'rm -rf "$bins"' EXIT
binary() { echo "$bins/$(tr -c 'a-z0-9\n' _ <<<"$1")$2"; }
echo "building the tests and the fuzz targets, the first time for some minutes"
for package in $(awk 'NF { print $1 }' <<<"$long" | sort -u); do
	go test -c -o "$(binary "$package" .test)" "$package"
done
fuzzed=$(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|')
for package in $fuzzed; do
	go test -c -fuzz=Fuzz -o "$(binary "$package" .fuzz)" "$package"
done

SECONDS=0
failed=0
# summary prints a line on a test or target and, if it failed, the end of its log.
summary() { # status, seconds, what, detail
	if (($1)); then
		failed=$((failed + 1))
		tail -n 40 "$bins/log"
	fi
	printf '%-6s %4d s  %-62s %s\n' "$( (($1)) && echo FAILED || echo ok)" "$2" "$3" "$4"
}

while read -r package test minutes; do
	[ "$package" ] || continue
	began=$SECONDS status=0
	(cd "$package" && "$(binary "$package" .test)" -test.run "^${test//\//\$/^}" -test.v -test.timeout "${minutes}m") >"$bins/log" 2>&1 || status=$?
	grep -q '^--- PASS' "$bins/log" || status=1 # it was skipped
	# What a test measured is in its last lines.
	detail=$(grep -E '^ +\w+_test\.go:[0-9]+: ' "$bins/log" | tail -n 1 | sed -E 's/^ +\w+_test\.go:[0-9]+: //') || true
	summary $status $((SECONDS - began)) "$package $test" "$detail"
done <<<"$long"

for package in $fuzzed; do
	for target in $(grep -hoE '^func Fuzz\w+' "$package"/*_test.go | sed 's/^func //'); do
		began=$SECONDS status=0
		(cd "$package" && timeout $((each + start)) "$(binary "$package" .fuzz)" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$FUZZTIME" -test.fuzzminimizetime 100x \
			-test.fuzzcachedir "$(go env GOCACHE)/fuzz/$(go list .)") >"$bins/log" 2>&1 || status=$?
		# Go before 1.27 may take the end of the time for a failure (go.dev/issue/75804).
		if grep -qx '    context deadline exceeded' "$bins/log" && ! grep -qE 'Failing input|panic:' "$bins/log"; then status=0; fi
		detail=$(sed -nE 's/^fuzz: .*execs: ([0-9]+).*new interesting: ([0-9]+).*/\1 executions, \2 new inputs/p' "$bins/log" | tail -n 1)
		summary $status $((SECONDS - began)) "$package $target" "${detail:-no executions}"
	done
done
printf 'took %d minutes; %d failed\n' $(((SECONDS + 59) / 60)) $failed
((failed == 0))
