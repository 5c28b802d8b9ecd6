"""Tests of wheels_corpus.py, on wheels made here: nothing is fetched."""

import csv
import hashlib
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

import wheels_corpus as wc  # noqa: E402


def pe(content):
    """The smallest bytes that pass for a PE file, with content behind them."""
    return b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + content


def make_wheel(folder, project, entries, version="1.0"):
    """Write a wheel of (name, (year, month, day), bytes) and return its Wheel."""
    path = folder / f"{project}-{version}-cp36-cp36m-win_amd64.whl"
    with zipfile.ZipFile(path, "w") as z:
        for name, date, data in entries:
            z.writestr(zipfile.ZipInfo(name, (*date, 12, 0, 0)), data)
    return wc.Wheel(project, version, wc.sha256_of(path), path.name)


def read_rows(out):
    with open(out / "dataset.csv", newline="") as f:
        return list(csv.DictReader(f))


def corpus(tmp_path, *wheels):
    out = tmp_path / "out"
    return out, wc.write_corpus(wheels, [tmp_path / w.file for w in wheels], out)


def test_rows_are_dated_labelled_and_stored_under_their_hash(tmp_path):
    a, b = pe(b"a"), pe(b"b")
    out, (rows, duplicates, outside) = corpus(
        tmp_path,
        make_wheel(tmp_path, "late", [("pkg/b.dll", (2019, 2, 1), b)]),
        make_wheel(tmp_path, "early", [("pkg/a.pyd", (2017, 3, 9), a)]),
    )
    assert (len(rows), duplicates, outside) == (2, 0, 0)
    got = [(r["label"], r["first_seen"], r["entry"]) for r in read_rows(out)]
    assert got == [("early", "2017-03-09", "pkg/a.pyd"), ("late", "2019-02-01", "pkg/b.dll")]
    for row, data in zip(read_rows(out), (a, b)):
        assert row["name"] == "files/" + hashlib.sha256(data).hexdigest()
        assert (out / row["name"]).read_bytes() == data


def test_the_group_is_the_release(tmp_path):
    day = (2017, 5, 1)
    one, other, next_ = (make_wheel(tmp_path, "p", [("a.pyd", day, pe(v.encode()))], v) for v in ("1.0", "1.0.post1", "1.1"))
    twin = tmp_path / "p-1.0-cp35-none-win32.whl"
    with zipfile.ZipFile(twin, "w") as z:
        z.writestr(zipfile.ZipInfo("b.pyd", (*day, 12, 0, 0)), pe(b"b"))
    out, _ = corpus(tmp_path, one, other, next_, wc.Wheel("p", "1.0", wc.sha256_of(twin), twin.name))
    assert sorted(r["group"] for r in read_rows(out)) == ["p 1.0", "p 1.0", "p 1.0.post1", "p 1.1"]
    assert "holdout: group" in (out / "corpus.yaml").read_text()


def test_only_pe_files_count(tmp_path):
    day = (2017, 5, 1)
    _, (rows, _, _) = corpus(tmp_path, make_wheel(tmp_path, "p", [
        ("good.exe", day, pe(b"x")),
        ("notes.txt", day, pe(b"y")),            # not a program's name
        ("text.dll", day, b"MZ but no header"),  # short
        ("dos.exe", day, b"MZ" + bytes(100)),    # no PE signature
        ("far.pyd", day, b"MZ" + bytes(58) + b"\xff" * 8),  # header beyond the end
    ]))
    assert [r.entry for r in rows] == ["good.exe"]


def test_the_earliest_of_equal_files_is_kept(tmp_path):
    same = pe(b"runtime")
    out, (rows, duplicates, _) = corpus(
        tmp_path,
        make_wheel(tmp_path, "new", [("x.dll", (2018, 4, 1), same)]),
        make_wheel(tmp_path, "old", [("x.dll", (2017, 4, 1), same), ("y.dll", (2017, 6, 1), same)]),
    )
    assert duplicates == 2
    assert [(r.label, r.first_seen) for r in rows] == [("old", "2017-04-01")]
    assert len(list((out / "files").iterdir())) == 1


def test_files_without_a_true_date_are_left_out(tmp_path):
    out, (rows, _, outside) = corpus(tmp_path, make_wheel(tmp_path, "p", [
        ("zip_epoch.pyd", (1980, 1, 1), pe(b"1")),
        ("before.pyd", (2016, 12, 31), pe(b"2")),
        ("first.pyd", (2017, 1, 1), pe(b"3")),
        ("last.pyd", (2019, 12, 31), pe(b"4")),
        ("after.pyd", (2020, 1, 1), pe(b"5")),
    ]))
    assert [r.entry for r in rows] == ["first.pyd", "last.pyd"] and outside == 3
    assert len(list((out / "files").iterdir())) == 2


def test_entry_names_are_no_paths(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    out, (rows, _, _) = corpus(home, make_wheel(home, "p", [
        ("../../escaped.dll", (2017, 1, 1), pe(b"1")),
        ("/escaped.dll", (2017, 1, 1), pe(b"2")),
    ]))
    assert len(rows) == 2
    assert {p.name for p in (out / "files").iterdir()} == {r.sha256 for r in rows}
    assert [p.name for p in tmp_path.iterdir()] == ["home"] and not Path("/escaped.dll").exists()


def test_a_failure_leaves_nothing(tmp_path):
    wheel = make_wheel(tmp_path, "p", [("a.pyd", (2017, 1, 1), pe(b"1"))])
    (tmp_path / "bad.whl").write_bytes(b"no zip file")
    with pytest.raises(zipfile.BadZipFile):
        wc.write_corpus([wheel, wheel], [tmp_path / wheel.file, tmp_path / "bad.whl"], tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.whl", wheel.file]


def test_a_corpus_is_replaced_and_nothing_else(tmp_path, monkeypatch):
    out, _ = corpus(tmp_path, make_wheel(tmp_path, "old", [("a.pyd", (2017, 1, 1), pe(b"1"))]))
    assert wc.is_corpus(out)
    corpus(tmp_path, make_wheel(tmp_path, "new", [("b.pyd", (2018, 1, 1), pe(b"2"))]))
    assert [r["label"] for r in read_rows(out)] == ["new"] and len(list((out / "files").iterdir())) == 1
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["out"]

    (out / "notes.txt").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["wheels_corpus.py", str(out)])
    with pytest.raises(SystemExit, match="something else"):
        wc.main()
    assert (out / "notes.txt").exists()


def test_two_runs_write_the_same(tmp_path):
    wheels = [make_wheel(tmp_path, p, [(f"{i}.pyd", (2017, 1 + i, 1), pe(p.encode() + bytes([i]))) for i in range(9)]) for p in "ab"]
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        wc.write_corpus(wheels, [tmp_path / w.file for w in wheels], out)
    one, two = ({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()} for out in outs)
    assert one == two and len(one) == 20


def fake_pip(monkeypatch, content):
    """Let pip download write content as the wheel asked for; return the calls."""
    calls = []

    def run(command, **_):
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        (folder / "p-1.0-cp36-cp36m-win_amd64.whl").write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_fetch_happens_once_and_again_when_the_cache_is_damaged(tmp_path, monkeypatch):
    wheel = wc.Wheel("p", "1.0", hashlib.sha256(b"wheel").hexdigest(), "p-1.0-cp36-cp36m-win_amd64.whl")
    calls = fake_pip(monkeypatch, b"wheel")
    path, fetched = wc.fetch(wheel, tmp_path)
    assert fetched and path.read_bytes() == b"wheel"
    assert calls[0][calls[0].index("--platform") + 1] == "win_amd64"
    assert calls[0][calls[0].index("--python-version") + 1] == "36"
    assert wc.fetch(wheel, tmp_path) == (path, False) and len(calls) == 1
    path.write_bytes(b"damaged")
    assert wc.fetch(wheel, tmp_path) == (path, True) and path.read_bytes() == b"wheel"


def test_another_file_than_the_listed_one_is_refused(tmp_path, monkeypatch):
    fake_pip(monkeypatch, b"something else")
    wheel = wc.Wheel("p", "1.0", hashlib.sha256(b"wheel").hexdigest(), "p-1.0-cp36-cp36m-win_amd64.whl")
    with pytest.raises(RuntimeError, match="sha256"):
        wc.fetch(wheel, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_bad_line_is_named(tmp_path):
    path = tmp_path / "wheels.txt"
    path.write_text("# fine\n\nnumpy==1.0\n")
    with pytest.raises(ValueError, match=r"wheels.txt:3: "):
        wc.parse_list(path)


def test_the_list_gives_every_project_in_every_split():
    wheels = wc.parse_list(SCRIPTS / "wheels.txt")
    assert len({w.sha256 for w in wheels}) == len({w.file for w in wheels}) == len(wheels)
    assert {w.platform for w in wheels} == {"win32", "win_amd64"}
    releases = {}
    for w in wheels:
        assert w.file.lower().startswith(f"{w.project}-{w.version}-".lower())
        releases.setdefault(w.project, set()).add(w.version)
    assert len(releases) >= 4 and min(len(v) for v in releases.values()) >= 4
    # Whole releases are held out of 2017, and that wants 20 of them.
    text = (SCRIPTS / "wheels.txt").read_text()
    year = text[text.index("# 2017\n"):text.index("# 2018-01")]
    assert len({line.split()[0] for line in year.splitlines() if "==" in line}) >= 20
