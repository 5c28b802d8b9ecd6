#!/bin/bash
# Checks driftbench on a machine with a GPU, in less than 10 minutes and without a
# network, and packs what it found:
#
#     scripts/gpu_check.sh BINARY MODEL CORPUS OUT
#
# OUT.tar.gz then has what `driftbench doctor` says, the repetitions of the timing
# with its tables, and the report of a run on the device that was faster. `make
# gpu-check` builds what it needs and calls it.
set -euo pipefail
binary=$1 model=$2 corpus=$3 out=$4

rm -rf "$out"
mkdir -p "$out"
say() { printf '\n== %s\n' "$*"; }

say doctor
"$binary" doctor | tee "$out/doctor.txt"
if ! grep -q '^devices .*GPU' "$out/doctor.txt"; then
	echo "gpu_check.sh: TensorFlow lists no GPU: $out/doctor.txt says what to do" >&2
	exit 1
fi
if command -v nvidia-smi >/dev/null; then nvidia-smi -q >"$out/nvidia-smi.txt" || true; fi

say "speed and agreement, TF32 beside float32"
"$binary" throughput --model "$model" --corpus "$corpus" --out "$out" \
	--precision float32,tf32 --count 8 --budget 5m 2> >(tee "$out/throughput.log" >&2) | tee "$out/throughput.txt"

say "a run on the device that is faster"
"$binary" run --model "$model" --corpus "$corpus" --out "$out" --cache none 2> >(tee "$out/run.log" >&2) | tee "$out/run.txt"

tar -C "$(dirname "$out")" --exclude='*.npy' -czf "$out.tar.gz" "$(basename "$out")"
echo
echo "Send back $out.tar.gz."
