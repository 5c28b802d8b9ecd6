#!/bin/bash
# Checks of the C half that `go test` does not make. Each needs the tool it names.
#
#   check.sh asan       out-of-bounds and use after free, leaks     gcc
#   check.sh ubsan      undefined behaviour, misalignment           gcc
#   check.sh valgrind   reads of memory that was never written      valgrind
#   check.sh arm64      the same tests on arm64, emulated           gcc-aarch64-linux-gnu qemu-user
set -euo pipefail
cd "$(dirname "$0")"

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

case ${1-} in
asan)
	go test -count=1 -asan .
	;;
ubsan)
	CGO_CFLAGS='-g -O1 -fsanitize=undefined -fno-sanitize-recover=undefined' CGO_LDFLAGS=-fsanitize=undefined go test -count=1 .
	;;
valgrind)
	# It knows nothing of Go's asynchronous preemption, its debug information or
	# who owns its heap, so these are off, and so is the search for leaks.
	go test -c -tags valgrind -ldflags=-w -o "$build/test" .
	GODEBUG=asyncpreemptoff=1 GOMAXPROCS=1 valgrind -q --leak-check=no --error-exitcode=1 "$build/test" -test.short -test.skip SameBits
	;;
arm64)
	CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go test -c -o "$build/test" .
	qemu-aarch64 -L /usr/aarch64-linux-gnu "$build/test" -test.short
	;;
*)
	echo "usage: check.sh asan|ubsan|valgrind|arm64" >&2
	exit 2
	;;
esac
