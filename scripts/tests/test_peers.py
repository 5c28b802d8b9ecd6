"""The peers must do the same work as driftbench, and their numbers must be right."""

import math
import stat
import sys

import numpy as np
import pytest

import malconv
import peers
from test_convert import build, ember

VARIANTS = {
    "ours": lambda: malconv.build(4, maxlen=1000, embedding=3, filters=8, window=50, dense=6),
    "with a rest in the last window": lambda: build(maxlen=1030),
    "as EMBER's": lambda: ember(1030),
}


@pytest.fixture
def files(tmp_path):
    """Files of 0-byte runs and random bytes, shorter and longer than the models read."""
    rng = np.random.default_rng(1)
    paths = []
    for i, size in enumerate((1, 50, 400, 1000, 1001, 5000)):
        paths.append(tmp_path / f"{i}.bin")
        paths[-1].write_bytes(rng.integers(0, 256, size, np.uint8).tobytes())
    return paths


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_way_gives_the_features_of_the_keras_model(variant, files, converted):
    source, saved = converted(variant)
    network = peers.read_network(saved)
    symbols = peers.read_symbols(files, network.spec)
    expected = source.keras.predict(symbols, verbose=0)[:2]
    ways = peers.keras_ways(network, 4) + peers.notebook_ways(network, 4, np.array(list("aabbab"))) + peers.runtime_ways(network, 4)
    assert {way.engine for way in ways} >= {"keras", "notebook"}
    for way in ways:
        assert peers.largest_difference(way.run(files, symbols), expected) < 1e-5, way.engine


def test_symbols_are_the_first_bytes_then_padding(files):
    symbols = peers.read_symbols(files, {"maxlen": 60, "pad": 256})
    for row, path in zip(symbols, files):
        data = path.read_bytes()[:60]
        assert row.tolist() == list(data) + [256] * (60 - len(data))


def test_scores_from_the_square_are_mahalanobis():
    rng = np.random.default_rng(1)
    layer, means, root = rng.normal(size=(20, 5)), rng.normal(size=(3, 5)), rng.normal(size=(5, 5))
    precision = root @ root.T
    expected = [max(-0.5 * (f - m) @ precision @ (f - m) for m in means) for f in layer]
    np.testing.assert_allclose(peers.scores_from_square(layer, means, precision), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("n", "lo", "hi"),
    [(1, math.nan, math.nan), (5, math.nan, math.nan), (6, 1, 6), (10, 2, 9), (20, 6, 15)],  # binomial tables
)
def test_interval_of_the_median(n, lo, hi):
    middle, *interval = peers.median_interval(list(range(n, 0, -1)))
    assert middle == (n + 1) / 2
    np.testing.assert_equal(interval, [lo, hi])


def line(engine, speed, read="no", scenario="offline"):
    return peers.Line({"engine": engine, "read": read, "scenario": scenario}, 10, {"samples/s": float(speed)})


def test_ratios_are_taken_within_a_round():
    # The machine halves its speed in the second round; the ratio does not care.
    rounds = [[line("keras", 100), line("table", 400)], [line("keras", 50), line("table", 200)], [line("keras", 100), line("table", 500)]]
    (_, _, own), (key, speed, ratio) = peers.ratios(rounds, "keras")
    assert own[0] == 1
    assert (key["engine"], speed, ratio[0]) == ("table", 400, 4)


def test_ratios_pair_like_with_like():
    rounds = [[line("keras", 100), line("keras", 80, "yes"), line("notebook", 20, "yes"), line("table", 800, "yes"), line("table", 60, scenario="single-stream")]]
    by = {base: {(key["engine"], key["read"], key["scenario"]): ratio for key, _, ratio in peers.ratios(rounds, base)} for base in ("keras", "notebook")}
    assert by["keras"]["table", "yes", "offline"][0] == 10
    assert by["notebook"]["table", "yes", "offline"][0] == 40
    assert by["notebook"]["keras", "no", "offline"] is None  # the notebook's time includes reading
    assert by["keras"]["table", "no", "single-stream"] is None


def test_lines_survive_a_round_trip(tmp_path):
    lines = [peers.Line({"engine": "a", "batch": "32"}, 7, {"ns/op": 12345678.0, "samples/s": 81.0})]
    peers.write(tmp_path / "peers.txt", {"goos": "linux", "cpu": "A: Big CPU"}, [lines, lines])
    assert peers.parse((tmp_path / "peers.txt").read_text()) == ({"goos": "linux", "cpu": "A: Big CPU"}, lines * 2)
    assert [p.name for p in tmp_path.iterdir()] == ["peers.txt"]


COMMAND = """#!{python}
# Stands in for the driftbench command: the splits of the corpus, and a bench.txt.
import csv, pathlib, sys
option = dict(zip(sys.argv[2::2], sys.argv[3::2]))
corpus, out = pathlib.Path(option["--corpus"]), pathlib.Path(option["--out"])
rows = list(csv.DictReader(open(corpus / "dataset.csv")))
if sys.argv[1] == "splits":
    (out / "splits").mkdir(parents=True)
    (out / "splits" / "roles.csv").write_text("name,split\\n0.bin,all\\n")
    with open(out / "splits" / "all.csv", "w") as f:
        f.write("name,label,first_seen,path\\n" + "".join(f"{{r['name']}},{{r['label']}},{{r['first_seen']}},{{corpus / r['name']}}\\n" for r in rows))
else:
    assert option["--engine"] == "tensorflow" and option["--count"] == "1" and option["--pass"] == str(len(rows)), option
    out.mkdir(exist_ok=True)
    (out / "bench.txt").write_text(f"cpu: Some CPU\\n\\nBenchmarkExtract/engine=tensorflow/device=cpu 1 5 first-result-ns\\nBenchmarkExtract/engine=tensorflow/device=cpu/batch=4/read=yes/scenario=offline {{len(rows)}} 1000 samples/s\\n")
"""


def test_a_comparison_from_end_to_end(files, converted, tmp_path, monkeypatch, capsys):
    _, saved = converted("ours")
    command = tmp_path / "driftbench"
    command.write_text(COMMAND.format(python=sys.executable))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "dataset.csv").write_text("name,label,first_seen\n" + "".join(f"{p.name},{'ab'[i % 2]},2017-0{i + 1}\n" for i, p in enumerate(files)))
    monkeypatch.setattr(sys, "argv", [
        "peers.py", "--driftbench", str(command), "--model", str(saved), "--corpus", str(tmp_path),
        "--files", "5", "--batch", "4", "--rounds", "2", "--out", str(tmp_path / "out" / "peers.txt"),
    ])  # fmt: skip
    peers.main()

    environment, lines = peers.parse((tmp_path / "out" / "peers.txt").read_text())
    assert environment["cpu"] == "Some CPU" and environment["files"] == "5"
    repetitions = {}
    for found in lines:
        key = found.key["engine"], found.key["read"], found.key["scenario"]
        repetitions[key] = repetitions.get(key, 0) + 1
        assert found.files == 5 and found.values["samples/s"] > 0
    assert set(repetitions.values()) == {2}
    assert repetitions.keys() >= {("keras", "no", "offline"), ("keras", "yes", "offline"), ("keras", "no", "single-stream"), ("notebook", "yes", "offline"), ("tensorflow", "yes", "offline")}
    assert "tensorflow, offline, batch 4, with reading" in capsys.readouterr().out


def test_a_failing_command_is_quoted(tmp_path):
    command = tmp_path / "driftbench"
    command.write_text("#!/bin/sh\necho 'driftbench: no such corpus' >&2\nexit 1\n")
    command.chmod(0o755)
    with pytest.raises(RuntimeError, match="splits failed: driftbench: no such corpus"):
        peers.run_driftbench(str(command), "splits")


def test_networks_that_the_peers_do_not_compute(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra/malconv.json").write_text('{"maxlen": 10, "padding": "front"}')
    with pytest.raises(ValueError, match="has padding in front or a gate by ReLU"):
        peers.read_network(tmp_path)
