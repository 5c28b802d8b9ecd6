#!/bin/bash
# Every check of the project, in the order of their cost. `make test` calls it
# with the Python that has the reference libraries.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(realpath -s "$1")
. .deps/env

say() { printf '\n== %s\n' "$*"; }

# tree prints what differs from the last commit, contents included.
tree() { git status --porcelain --untracked-files=all; git diff HEAD | sha256sum; }
before=$(tree)

# The Python tests run beside the Go tests: neither keeps all cores busy.
go build -o bin/driftbench ./bench/driftbench
# Compiling the modules of TensorFlow and Keras takes 9 seconds of each process.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$PWD/.deps/pycache
said=$(mktemp)
"$python" -m pytest -q -rs scripts/tests >"$said" 2>&1 &
pytest=$!
trap 'kill $pytest 2>/dev/null || true; rm -f "$said"' EXIT

scripts/check.sh

# The packages in which goroutines share memory; `make race` runs all.
say go test -race
go test -race ./bench/dataset ./bench/throughput ./tfmodel/...

if [[ "$GOFLAGS" == *-tags=openblas* ]]; then
	say "go test, gonum's own kernels"
	go test -tags= ./stats
fi

say pytest
wait $pytest && passed=yes || passed=
cat "$said"
[ "$passed" ]

say generated files
"$python" scripts/golden/sample.py
go mod tidy -diff
[ "$(tree)" = "$before" ] || { echo "generating changed the tree:" >&2; git status --short >&2; exit 1; }
