#!/bin/bash
# Extracts an index in 100 shards, each by a task of a Slurm array:
#
#     sbatch --array=0-99 scripts/cluster/slurm.sh 100 INDEX FILES MODEL OUT [FLAG...]
#
# FILES and OUT are folders that all nodes see; further flags go to driftbench worker.
# A shard is queued again when its node is lost, and up to 3 times when its attempt
# failed in a way that may not happen elsewhere. What is complete ends at once, so that
# the same command fills in what is missing. Then: driftbench merge ... OUT/*.jsonl
#SBATCH --job-name=driftbench
#SBATCH --requeue
#SBATCH --cpus-per-task=2
#SBATCH --mem=1G
#SBATCH --output=driftbench-%A_%a.log
#SBATCH --open-mode=append
set -euo pipefail
shards=$1 index=$2 files=$3 model=$4 out=$5
shift 5

mkdir -p "$out"
status=0
"${DRIFTBENCH:-driftbench}" worker --index "$index" --files "$files" --model "$model" --threads "${SLURM_CPUS_PER_TASK:-0}" \
	--shard "$SLURM_ARRAY_TASK_ID/$shards" --out "$out/$SLURM_ARRAY_TASK_ID.jsonl" "$@" || status=$?
if ((status == 1 && ${SLURM_RESTART_COUNT:-0} < 3)); then
	scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit $status
