#!/bin/bash
# Format, vet, staticcheck and the Go tests, which the arguments are for:
# `make check` gives -short.
set -euo pipefail
cd "$(dirname "$0")/.."
. .deps/env

say() { printf '\n== %s\n' "$*"; }

say gofmt
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l)
[ -z "$unformatted" ] || { echo "run gofmt -w on: $unformatted" >&2; exit 1; }

say go vet
go vet ./...

say staticcheck
go tool staticcheck ./...

say go test "$@"
go test "$@" ./...
