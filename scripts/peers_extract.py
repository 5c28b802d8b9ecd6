"""Times the extraction of a whole corpus beside Keras and the notebook's way.

Each round goes once over all files of the splits, reading included:

    keras     Keras predict, layer7 and layer8 in one model, batches of 32
    notebook  lists of bytes, a predict for each layer, scores from N×N products
    table     driftbench extract with an empty feature cache
    table     driftbench extract again, with the cache that the first has filled

Starting a program and building its model are in none of the times: of
driftbench it is the extraction_seconds of its manifest.json. The order is
shuffled within a round and a ratio is the median over the rounds of the ratio
within a round.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path

import peers
from peers import Line, tf

import numpy as np


def corpus_files(binary, corpus, folder):
    """Returns (paths, labels) of the files of all splits, without empty and missing ones."""
    rows = peers.split_rows(binary, corpus, folder)
    if not rows:
        raise RuntimeError(f"none of the files of {corpus} can be read")
    return [Path(row["path"]) for row in rows], np.array([row["label"] for row in rows])


def line(engine, batch, cache, files, volume, seconds):
    key = {"engine": engine, "device": "cpu", "batch": batch, "read": "yes", "cache": cache, "scenario": "corpus"}
    return Line(key, files, {"ns/op": seconds * 1e9 / files, "samples/s": files / seconds, "MB/s": volume / 1e6 / seconds})


def driftbench_lines(args, files, volume, scratch):
    """Extracts twice, from an empty cache and from the one that this has filled."""
    lines = []
    with tempfile.TemporaryDirectory(dir=scratch) as run:
        for cache in ("empty", "full"):
            out = Path(run, cache)
            peers.run_driftbench(args.driftbench, "extract", "--corpus", args.corpus, "--model", args.model, "--engine", args.engine,
                                 "--device", "cpu", "--cache", Path(run, "cache"), "--out", out)
            manifest = json.loads((out / "manifest.json").read_text())
            if manifest["files"] != files:
                raise RuntimeError(f"driftbench extracted {manifest['files']} files, the others {files}")
            lines.append(line(args.engine, manifest["batch"], cache, files, volume, manifest["extraction_seconds"]))
    return lines


def compare(args, scratch):
    """Runs all rounds; returns the environment and the Lines of each round."""
    paths, labels = corpus_files(args.driftbench, args.corpus, scratch)
    network = peers.read_network(args.model)
    volume = sum(min(path.stat().st_size, network.spec["maxlen"]) for path in paths)
    ways = [way for way in peers.keras_ways(network, args.batch) if way.read] + peers.notebook_ways(network, args.batch, labels)
    for way in ways:
        way.run(paths, None)  # the notebook's Gaussians, and what Keras builds on first use

    def timed(way):
        start = time.perf_counter()
        way.run(paths, None)
        return [line(way.engine, way.batch, "none", len(paths), volume, time.perf_counter() - start)]

    jobs = [lambda way=way: timed(way) for way in ways]
    jobs.append(lambda: driftbench_lines(args, len(paths), volume, scratch))
    order, rounds = random.Random(1), []
    for i in range(args.rounds):
        results = {j: jobs[j]() for j in order.sample(range(len(jobs)), len(jobs))}
        rounds.append([l for j in range(len(jobs)) for l in results[j]])
        print(f"round {i + 1} of {args.rounds}", file=sys.stderr)
    return {**peers.host(), "files": str(len(paths)), "corpus": Path(args.corpus).resolve().name}, rounds


def main():
    parser = peers.arguments(__doc__.splitlines()[0])
    parser.add_argument("--engine", default="table", help="engine of driftbench (default table)")
    parser.add_argument("--batch", type=int, default=32, help="files in a batch of Keras (default 32)")
    args = parser.parse_args()
    rounds = peers.report(args, compare)
    middle, lo, hi = peers.median_interval([full.values["samples/s"] / empty.values["samples/s"] for *_, empty, full in rounds])
    print(f"the second extraction is {middle:.1f} ({lo:.1f}-{hi:.1f}) times as fast as the first")
    print(f"\n{args.out} holds every repetition.")


if __name__ == "__main__":
    tf.config.set_visible_devices([], "GPU")  # the comparison is of the CPU
    main()
