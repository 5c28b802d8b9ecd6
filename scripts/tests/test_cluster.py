"""A corpus extracted in shards, on a Spark cluster and without one: features equal to those of one machine.

The cluster is a standalone one on loopback, of a master and three workers. Everything of it is stopped at the end.
"""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIFTBENCH = ROOT / "bin" / "driftbench"
MODEL = ROOT / "bench" / "corpus" / "malconv"
SPARK = ROOT / ".deps" / "spark"
SHARDS = 12
# What a line of JSON, of CSV, of the shell or of Spark's tables could trip over.
HOSTILE = ["a\tb", "a\nb", "a\\b", "a\\nb", 'a"b', "a'b", "\\N", "\x01\x02", "a b ", "日本😀", "\u2028\u0085", "$(id)`id`", "-", '"', "a,b", "l" * 250, "/".join(["d" * 200] * 5)]
JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # less of both cores, beside the Go tests


def wait_for(what, condition, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"after {seconds} s there was no {what}"
        time.sleep(0.05)
    return found


def driftbench(*arguments, status=0, **options):
    done = subprocess.run([DRIFTBENCH, *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == status, done.stderr
    return done


def features(out):
    return {p.name: p.read_bytes() for p in (out / "features").iterdir()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The synthetic corpus, some of its names hostile."""
    folder = tmp_path_factory.mktemp("corpus") / "synth"
    driftbench("corpus", "synth", "--out", folder)
    with open(folder / "dataset.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    for row, hostile in zip((r for r in rows if r["first_seen"] < "2018"), HOSTILE, strict=False):
        name = os.path.join(os.path.dirname(row["name"]), hostile)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / row["name"]).rename(folder / name)
        row["name"] = name
    with open(folder / "dataset.csv", "w", newline="") as f:
        table = csv.DictWriter(f, rows[0])
        table.writeheader()
        table.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def expected(corpus, tmp_path_factory):
    """The features as one machine computes them."""
    out = tmp_path_factory.mktemp("expected")
    driftbench("extract", "--corpus", corpus, "--model", MODEL, "--engine", "table", "--cache", "none", "--out", out)
    return features(out)


class Cluster:
    """A standalone Spark cluster on loopback, in processes of its own."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        home = next(SPARK.glob("lib/python3*/site-packages/pyspark"))
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))},
            "SPARK_HOME": str(home), "SPARK_LOCAL_DIRS": str(folder / "local"), "SPARK_CONF_DIR": str(folder),
            "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": JVM, "PYSPARK_PYTHON": str(SPARK / "bin" / "python"),
        }  # fmt: skip

    def start(self, name, *command, host="127.0.0.1"):
        """Starts a process with the group of processes that it leads."""
        log = self.folder / f"{name}.log"
        with open(log, "wb") as said:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], env={**self.env, "SPARK_LOCAL_IP": host}, stdout=said, stderr=said, start_new_session=True)
        self.processes.append(process)
        return process, log

    def daemon(self, name, kind, host, *arguments):
        spark_class = Path(self.env["SPARK_HOME"]) / "bin" / "spark-class"
        return self.start(name, spark_class, f"org.apache.spark.deploy.{kind}", "--host", host, "--port", "0", "--webui-port", "0", *arguments, host=host)

    def up(self):
        _, log = self.daemon("master", "master.Master", "127.0.0.1")
        self.url = wait_for("master", lambda: re.search(r"Starting Spark master at (spark://\S+)", log.read_text())).group(1)
        # Each is a node of its own, by its address.
        self.workers = {
            name: self.daemon(name, "worker.Worker", host, "--cores", "1", "--memory", "1g", "-d", self.folder / name, self.url)[0]
            for name, host in [("a", "127.0.0.1"), ("b", "127.0.0.2"), ("bad", "127.0.0.3")]
        }
        return self

    def stop(self):
        for process in self.processes:
            kill(process)


def kill(process):
    """Kills a process and all that it has started, at once."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    lack = None
    if not shutil.which("java"):
        lack = "java is missing: as root, apt-get install openjdk-17-jre-headless"
    elif not list(SPARK.glob("lib/python3*/site-packages/pyspark")):
        lack = "Spark is missing: make spark"
    if lack:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(lack)
    cluster = Cluster(tmp_path_factory.mktemp("spark"))
    try:
        yield cluster.up()
    finally:
        cluster.stop()


# Runs spark_extract.py for each list of arguments in a file, in one session: a session takes longer than a job.
JOBS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import spark_extract
for arguments in json.load(open(sys.argv[2])):
    sys.argv[1:] = arguments
    status = 0
    try:
        spark_extract.main()
    except SystemExit as end:
        status = end.code
    print("status", status, file=sys.stderr, flush=True)
"""

# Stands in for driftbench: on the node "bad" the samples are not mounted, and the first attempt
# elsewhere ends in the middle of a line.
FAULTS = """#!/bin/bash
set -o noclobber
if [[ $PWD == */bad/* ]]; then
	exec "$@" --files "$(dirname "$0")/empty"
elif (: >"$0.once") 2>/dev/null; then
	"$@" --files CORPUS | head -c 5000
	echo "ended in half a row" >&2
	exit 1
fi
exec "$@" --files CORPUS
"""


def test_spark(cluster, corpus, expected, dist, tmp_path):
    """A worker that cannot succeed; then all rows, with a bad node and one that is killed."""
    wrapper, out = tmp_path / "wrapper", tmp_path / "shards"
    wrapper.write_text(FAULTS.replace("CORPUS", shlex.quote(str(corpus))))
    wrapper.chmod(0o755)
    (tmp_path / "empty").mkdir()

    def job(out, *command):
        worker = [*command, dist / "bin" / "driftbench", "worker", "--threads", "1", "--model"]
        return ["--index", str(corpus / "dataset.csv"), "--out", str(out), "--shard-rows", str(1200 // SHARDS), "--", *map(str, worker)]

    (tmp_path / "jobs.json").write_text(json.dumps([
        [*job(tmp_path / "no-model"), str(tmp_path / "empty"), "--files", str(corpus)],
        [*job(out, wrapper), str(MODEL)],
        [*job(out), str(MODEL)],
    ]))  # fmt: skip
    (tmp_path / "jobs.py").write_text(JOBS)
    submit = Path(cluster.env["SPARK_HOME"]) / "bin" / "spark-submit"
    driver, log = cluster.start(
        "driver", submit, "--master", cluster.url, "--driver-memory", "512m", "--driver-java-options", JVM,
        "--conf", "spark.executor.memory=512m", "--conf", f"spark.executor.extraJavaOptions={JVM}", "--conf", "spark.ui.enabled=false",
        "--conf", "spark.sql.shuffle.partitions=2", tmp_path / "jobs.py", ROOT / "scripts", tmp_path / "jobs.json",
    )  # fmt: skip

    def committed():
        assert driver.poll() is None, log.read_text()[-3000:]
        return len(list(out.glob("_temporary/0/task_*")))

    wait_for("committed shard", lambda: committed() >= 2, 300)
    kill(cluster.workers["b"])
    assert committed() < SHARDS - 2
    driver.wait(300)
    said = re.findall(r"^(?:spark_extract:|status) .*", log.read_text(), re.MULTILINE)
    assert [line for line in said if line.startswith("status")] == ["status 2", "status 0", "status 2"], said
    assert re.search(r"a worker ended with status 2: .* is no SavedModel", said[0]), said[0]
    assert "is there already" in said[3]
    assert re.search(r"Lost task .*Subprocess exited with status 1\. Error: [^.]*ended in half a row", log.read_text(), re.DOTALL)
    assert re.search(r"Lost task .*\(127\.0\.0\.3 .*Subprocess exited with status 1\. Error: driftbench: .*/empty\W.*mounted", log.read_text())
    assert len(list(out.glob("part-*"))) == SHARDS and (out / "_SUCCESS").exists()

    driftbench("merge", "--corpus", corpus, "--model", MODEL, "--out", tmp_path / "merged", out)
    assert features(tmp_path / "merged") == expected


def test_shards_of_an_index(corpus, expected, tmp_path):
    """What slurm.sh and kubernetes.yaml start: two attempts at once, and one that fails."""
    shards, tools = tmp_path / "shards", tmp_path / "bin"
    shards.mkdir()
    tools.mkdir()
    (tools / "driftbench").symlink_to(DRIFTBENCH)
    (tools / "scontrol").write_text('#!/bin/sh\necho "$@" >>"$0.said"\n')
    (tools / "fails").write_text('#!/bin/sh\nexit "$STATUS"\n')
    for tool in ("scontrol", "fails"):
        (tools / tool).chmod(0o755)
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "1"}

    def slurm(task, **more):
        script = ROOT / "scripts" / "cluster" / "slurm.sh"
        return subprocess.Popen([script, "3", corpus / "dataset.csv", corpus, MODEL, shards, "--quiet"], env={**env, "SLURM_ARRAY_TASK_ID": str(task), **more})

    for status, restarts in [("1", "0"), ("1", "3"), ("2", "0")]:
        assert slurm(1, DRIFTBENCH="fails", STATUS=status, SLURM_RESTART_COUNT=restarts).wait() == int(status)
    assert (tools / "scontrol.said").read_text() == "requeue 7_1\n"

    job = (ROOT / "scripts" / "cluster" / "kubernetes.yaml").read_text()
    pod = " ".join(re.search(r"^ +- >-\n((?: +\S.*\n)+?)(?= +resources:)", job, re.MULTILINE).group(1).split())
    for there, here in [("/samples/malconv", MODEL), ("/samples", corpus), ("/shards", shards), ("/100", "/3")]:
        assert there in pod
        pod = pod.replace(there, str(here))
    attempts = [slurm(0), slurm(0), slurm(1), subprocess.Popen(["sh", "-c", pod], env={**env, "JOB_COMPLETION_INDEX": "2"})]
    assert [a.wait() for a in attempts] == [0, 0, 0, 0]
    files = sorted(shards.iterdir())
    assert [f.name for f in files] == ["0.jsonl", "1.jsonl", "2.jsonl"]

    driftbench("merge", "--corpus", corpus, "--model", MODEL, "--out", tmp_path / "merged", *files)
    assert features(tmp_path / "merged") == expected
    files[1].write_bytes(files[1].read_bytes()[:-5000])
    refused = driftbench("merge", "--corpus", corpus, "--model", MODEL, "--out", tmp_path / "cut", *files, status=1)
    assert str(files[1]) in refused.stderr and not list((tmp_path / "cut").rglob("*.npy"))


def test_a_feeder_that_dies_is_noticed(corpus):
    with open(corpus / "dataset.csv", newline="") as f:
        rows = [json.dumps(row) + "\n" for row, _ in zip(csv.DictReader(f), range(3), strict=False)]
    done = driftbench("worker", "--model", MODEL, "--files", corpus, input="".join(rows), status=1)
    assert "cut short" in done.stderr
