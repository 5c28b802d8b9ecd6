#!/bin/bash
# Pins every Python package, with what it needs, by version and SHA-256:
#
#     common.in        ->  cpu.txt, gpu.txt
#     TensorFlow alone ->  tensorflow.txt (holds libtensorflow)
#     beside these     ->  peers.txt, torch.txt, golden.txt, archives.txt, audit.txt
#     apart from these ->  spark.txt, spark-build.txt
#
# Run it after a change of common.in or of a version here; it needs uv.
set -euo pipefail
cd "$(dirname "$0")"
tensorflow=2.21.0
beside= # a lock whose versions the next locks are to have where they share packages

lock() { # OUT PACKAGE...
	{
		echo "# Made by scripts/requirements/lock.sh."
		printf '%s\n' "${@:2}" |
			uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate ${beside:+-c "$beside"} -
	} >"$1.new"
	mv "$1.new" "$1"
}
lock cpu.txt $(<common.in) "tensorflow-cpu==$tensorflow"
lock gpu.txt $(<common.in) "tensorflow[and-cuda]==$tensorflow"

# What peers.py sets beside driftbench, in the venv of cpu.txt. PyTorch brings CUDA
# libraries on x86 Linux, 6 GB unpacked, and is timed only where it is installed.
beside=cpu.txt
lock peers.txt onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
lock torch.txt torch==2.15.0
beside=
# What golden/stats.py compares with; only needed to make the numbers again.
lock golden.txt numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 torch==2.15.0 torchvision==0.29.2 pytorch-ood==0.4.0
# What golden/archives.py and golden/packed.py pack test files with.
lock archives.txt pyzipper==0.4.0 py7zr==1.1.4 backports.zstd==1.8.0 cart==1.2.3
lock audit.txt pip-audit==2.10.1
# Spark, of which PyPI has the source alone, and what pip builds it with.
lock spark.txt pyspark==4.3.0
lock spark-build.txt setuptools==84.2.1

{
	echo "# Made by scripts/requirements/lock.sh."
	awk '/^tensorflow-cpu==/ { on = 1 } on { print; if (!/\\$/) exit }' cpu.txt
} >tensorflow.txt
