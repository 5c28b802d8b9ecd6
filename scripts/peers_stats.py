"""Times package stats beside scikit-learn, on inputs of the same size, in one run.

Three tasks: Mahalanobis scores of 100,000 rows of 128 features against 4
classes (scikit-learn: EmpiricalCovariance.mahalanobis once a class), AUROC of
10 million scores (driftbench with DeLong's interval, scikit-learn's
roc_auc_score without one), and the distance to the 50th of 20,000 neighbours
for 20,000 rows (brute force). driftbench runs as compiled Go benchmarks, with
OpenBLAS and with gonum's own kernels.

A round runs everything once, in shuffled order; a ratio is the median over the
rounds of the ratio within a round.
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

# Benchmark of package stats, and what it is held to: the least ratio to
# scikit-learn with OpenBLAS and with gonum's kernels; None where nothing is asked.
TASKS = {
    "score": ("BenchmarkScore/n=100000/d=128/classes=4", 15, 5),
    "auroc": ("BenchmarkDeLong/n=10000000", 1, 1),
    "knn": ("BenchmarkKNN/n=20000/bank=20000/d=128", 1, None),
}


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def scikit_learn():
    """One function a task."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((100_000, 128))
    means = rng.standard_normal((4, 128))
    fits = []
    for mean in means:
        fit = EmpiricalCovariance().fit(x[:5000])
        fit.location_ = mean
        fits.append(fit)
    scores = rng.standard_normal(10_000_000)
    positive = np.arange(len(scores)) % 2
    bank, queries = (rng.standard_normal((20_000, 128)).astype(np.float32) for _ in range(2))
    neighbours = NearestNeighbors(n_neighbors=50, algorithm="brute").fit(bank)
    return {
        "score": lambda: np.max([-0.5 * fit.mahalanobis(x) for fit in fits], axis=0),
        "auroc": lambda: roc_auc_score(positive, scores),
        "knn": lambda: neighbours.kneighbors(queries),
    }


def compile_tests(folder, name, *arguments):
    binary = Path(folder, name)
    subprocess.run(["go", "test", *arguments, "-c", "-o", binary, "./stats"], check=True)
    return binary


def go_benchmark(binary, benchmark):
    """Seconds of one operation."""
    pattern = "/".join(f"^{part}$" for part in benchmark.split("/"))
    done = subprocess.run([binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", "1x"],
                          check=True, capture_output=True, text=True, cwd="stats")
    found = re.search(rf"^{re.escape(benchmark)}\S*\s+\d+\s+([\d.e+]+) ns/op", done.stdout, re.M)
    if not found:
        raise SystemExit(f"peers_stats: no result of {benchmark} in:\n{done.stdout}{done.stderr}")
    return float(found[1]) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="repetitions of everything (default 10)")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="benchmark file to write")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        ways = {"sklearn": scikit_learn(), "gonum": {}}
        binaries = {"gonum": compile_tests(folder, "gonum", "-tags=")}
        if "openblas" in os.environ.get("GOFLAGS", ""):
            binaries["openblas"] = compile_tests(folder, "openblas")
        for way, binary in binaries.items():
            ways[way] = {task: lambda b=binary, t=task: go_benchmark(b, TASKS[t][0]) for task in TASKS}

        runs = [(way, task) for way in ways for task in TASKS]
        times = {run: [] for run in runs}
        for number in range(args.rounds + 1):  # the first warms up
            random.Random(number).shuffle(runs)
            for way, task in runs:
                run = ways[way][task]
                took = seconds(run) if way == "sklearn" else run()
                if number:
                    times[way, task].append(took)

    lines = ["Unit ns/op better=lower", "goos: linux", f"note: {len(os.sched_getaffinity(0))} processors"]
    for (way, task), all_ in times.items():
        lines += [f"BenchmarkStats/task={task}/way={way} 1 {took * 1e9:.0f} ns/op" for took in all_]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    new = args.out.with_suffix(".new")
    new.write_text("\n".join(lines) + "\n")
    new.replace(args.out)

    print(f"{'task':6} {'way':9} {'median':>9}  times scikit-learn, median (least to most) of {args.rounds} rounds")
    for task, (_, least_openblas, least_gonum) in TASKS.items():
        for way in ways:
            took = times[way, task]
            line = f"{task:6} {way:9} {statistics.median(took):8.3f}s"
            if way != "sklearn":
                ratios = [slow / fast for slow, fast in zip(times["sklearn", task], took)]
                least = least_openblas if way == "openblas" else least_gonum
                asked = f", asked for {least}" if least else ""
                line += f"  {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}){asked}"
            print(line)
    if "openblas" not in ways:
        print("OpenBLAS is not here: `make deps` as root installs it")
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
