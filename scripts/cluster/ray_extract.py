"""Extracts an index in shards, each by a task of Ray:

    ray job submit --working-dir scripts/cluster -- python ray_extract.py --shards 100 --out /nfs/shards \\
        -- driftbench worker --index /nfs/dataset.csv --files /nfs/samples --model /nfs/malconv

A shard whose node is lost, or whose attempt failed with status 1, is tried again, 3 times at most. A shard that is
complete ends at once. Then: driftbench merge ... OUT/*.jsonl
"""

import argparse
import subprocess
import sys
from pathlib import Path

import ray

CPUS = 2


class Failed(Exception):
    """An attempt that may succeed elsewhere."""


@ray.remote(num_cpus=CPUS, memory=10**9, max_retries=3, retry_exceptions=[Failed])
def extract(worker, shard, out):
    done = subprocess.run([*worker, "--threads", str(CPUS), "--shard", shard, "--out", out], stderr=subprocess.PIPE, text=True)
    if done.returncode == 1:
        raise Failed(f"shard {shard}: {done.stderr}")
    return done.returncode, f"shard {shard}: {done.stderr}"


def main():
    parser = argparse.ArgumentParser(description="Extract an index in shards, each by a task of Ray.")
    parser.add_argument("--shards", type=int, required=True, metavar="N")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="DIR that all nodes see")
    parser.add_argument("worker", nargs="+", metavar="-- COMMAND", help="COMMAND of a worker without --shard and --out")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    ray.init()
    waiting = [extract.remote(args.worker, f"{i}/{args.shards}", str(args.out / f"{i}.jsonl")) for i in range(args.shards)]
    while waiting:
        (first,), waiting = ray.wait(waiting)
        status, said = ray.get(first)
        if status:
            print(said, file=sys.stderr)
            sys.exit(status)


if __name__ == "__main__":
    main()
