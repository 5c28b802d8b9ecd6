#!/bin/bash
# Pins every Python package, with what it needs, by version and SHA-256:
#
#     requirements.in  ->  requirements-cpu.txt, requirements-gpu.txt
#     TensorFlow alone ->  requirements-tensorflow.txt (holds libtensorflow)
#
# Run it after a change of requirements.in or of the version here; it needs uv.
set -euo pipefail
cd "$(dirname "$0")"
tensorflow=2.21.0

lock() { # OUT PACKAGE...: a lock of requirements.in and the packages
	{
		echo "# Made by scripts/lock.sh."
		{ cat requirements.in; printf '%s\n' "${@:2}"; } |
			uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -
	} >"$1.new"
	mv "$1.new" "$1"
}
lock requirements-cpu.txt "tensorflow-cpu==$tensorflow"
lock requirements-gpu.txt "tensorflow[and-cuda]==$tensorflow"

{
	echo "# Made by scripts/lock.sh."
	awk '/^tensorflow-cpu==/ { on = 1 } on { print; if (!/\\$/) exit }' requirements-cpu.txt
} >requirements-tensorflow.txt
