"""Prints what a million files cost over 1 to 1,000 workers: computed, from parts that were measured.

A worker is a process with one core. All take the same number of shards, as far as whole shards allow, and then the
shards are merged on one machine.
"""

import math

# Measured on 2 cores of an AMD EPYC (AVX2): 18,000 files of the synthetic corpus (86 KB on average) on a local disk, by
# two workers and by Spark 4.3 with 12 shards, medians of 3 runs each, see docs/cluster.md. WAIT and MERGE are by the
# clock, the others CPU seconds.
WAIT = 44.0  # s until the first worker starts: session, and reading the index twice
JOB = 50.0  # s: Spark's driver, master and workers, mostly compilation
EXECUTOR = 20.0  # s: an executor, of which each worker has one here
START = 1.5  # s: a worker opens the model and builds its table
SHARD = 0.5  # s: what Spark adds to a shard
FILE = 0.0015  # s: a file is read and goes through the network
MERGE = 18.0  # s: a million rows are merged; 0.4 s for 18,000

FILES = 1_000_000
ROWS = 20_000  # of a shard, or fewer where there would be fewer shards than workers


def cost(workers):
    """(shards, hours until the features are there, hours of CPU of all) for FILES files."""
    shards = max(math.ceil(FILES / ROWS), workers)
    rounds = math.ceil(shards / workers)
    longest = EXECUTOR + rounds * (START + SHARD + FILES / shards * FILE)
    busy = workers * EXECUTOR + shards * (START + SHARD) + FILES * FILE
    return shards, (WAIT + longest + MERGE) / 3600, (JOB + busy + MERGE) / 3600


def main():
    print("| workers | shards | until done | CPU hours | of them work on files |\n|---|---|---|---|---|")
    for workers in (1, 10, 50, 100, 1000):
        shards, wall, busy = cost(workers)
        print(f"| {workers:,} | {shards:,} | {f'{wall:.1f} h' if wall >= 1 else f'{wall * 60:.1f} min'} | {busy:.2f} | {FILES * FILE / 3600 / busy:.0%} |")


if __name__ == "__main__":
    main()
