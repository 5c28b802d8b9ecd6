"""Whole extractions: every way gets the same files, and driftbench its two runs."""

import stat
import sys

import pytest

import peers
import peers_extract
from test_peers import files  # noqa: F401  (files is a fixture)

COMMAND = """#!{python}
# Stands in for the driftbench command: two splits of the corpus, and a manifest whose seconds depend on the cache.
import csv, json, pathlib, sys
option = dict(zip(sys.argv[2::2], sys.argv[3::2]))
corpus, out = pathlib.Path(option["--corpus"]), pathlib.Path(option["--out"])
rows = list(csv.DictReader(open(corpus / "dataset.csv")))
if sys.argv[1] == "splits":
    (out / "splits").mkdir(parents=True)
    for name, part in (("a", rows[::2]), ("b", rows[1::2])):
        with open(out / "splits" / (name + ".csv"), "w") as f:
            f.write("name,label,first_seen,path\\n" + "".join(f"{{r['name']}},{{r['label']}},{{r['first_seen']}},{{corpus / r['name']}}\\n" for r in part))
else:
    assert sys.argv[1] == "extract" and option["--device"] == "cpu" and option["--engine"] == "table", sys.argv
    cache = pathlib.Path(option["--cache"])
    seconds = 0.5 if cache.exists() else 4
    cache.mkdir(exist_ok=True)
    out.mkdir(parents=True)
    (out / "manifest.json").write_text(json.dumps({{"files": {files}, "batch": 96, "extraction_seconds": seconds}}))
"""


def corpus(folder, files, found):
    command = folder / "driftbench"
    command.write_text(COMMAND.format(python=sys.executable, files=found))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    rows = [f"{p.name},{'ab'[i // 2 % 2]},2017-0{i + 1}\n" for i, p in enumerate(files)]
    (folder / "dataset.csv").write_text("name,label,first_seen\n" + "".join(rows) + "missing,a,2017-01\n")
    return command


def arguments(monkeypatch, command, saved, folder):
    monkeypatch.setattr(sys, "argv", [
        "peers_extract.py", "--driftbench", str(command), "--model", str(saved), "--corpus", str(folder),
        "--batch", "4", "--rounds", "6", "--out", str(folder / "peers.txt"),
    ])  # fmt: skip


def test_whole_extractions(files, converted, tmp_path, monkeypatch, capsys):
    _, saved = converted("ours")
    arguments(monkeypatch, corpus(tmp_path, files, len(files)), saved, tmp_path)
    peers_extract.main()
    environment, lines = peers.parse((tmp_path / "peers.txt").read_text())
    assert environment["files"] == str(len(files))
    assert [(l.key["engine"], l.key["cache"]) for l in lines] == [("keras", "none"), ("notebook", "none"), ("table", "empty"), ("table", "full")] * 6
    assert all(l.files == len(files) and l.key["read"] == "yes" for l in lines)
    # Each run began with an empty cache of its own.
    assert {l.values["samples/s"] for l in lines if l.key["cache"] == "empty"} == {len(files) / 4}
    assert {l.values["samples/s"] for l in lines if l.key["cache"] == "full"} == {len(files) / 0.5}
    printed = capsys.readouterr().out
    assert "the second extraction is 8.0 (8.0-8.0) times as fast as the first" in printed
    assert "table, corpus, batch 96, with reading, empty cache" in printed


def test_a_run_over_other_files_is_no_comparison(files, converted, tmp_path, monkeypatch):
    _, saved = converted("ours")
    arguments(monkeypatch, corpus(tmp_path, files, len(files) - 1), saved, tmp_path)
    with pytest.raises(SystemExit, match=f"driftbench extracted {len(files) - 1} files, the others {len(files)}"):
        peers_extract.main()
    assert not (tmp_path / "peers.txt").exists()
