"""Make a drift corpus of real programs from the Windows wheels of PyPI.

A wheel is a zip file, and the zip entries of its extension modules and DLLs
keep their build date: a dated collection of PE files whose label, the
project, is beyond doubt, as is the group of files that were made together, the
release. wheels.txt lists the wheels. The corpus is

    OUT_DIR/dataset.csv     name,label,first_seen,group,wheel,entry
    OUT_DIR/corpus.yaml     the time splits
    OUT_DIR/files/<sha256>  the programs; never run them

The content depends on wheels.txt alone. A file that occurs more than once is
kept where it is dated first; files built outside the splits' years (runtime
libraries that were copied in) are left out. Both are counted.
"""

import argparse
import collections
import concurrent.futures
import csv
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

LISTED = re.compile(r"(?P<project>[\w.-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})  # (?P<file>\S+\.whl)")

# The splits of corpus.yaml: name, first month, last month.
SPLITS = [
    ("2017", "2017-01", "2017-12"),
    ("2018-Q1", "2018-01", "2018-03"),
    ("2018-late", "2018-04", "2018-12"),
    ("2019", "2019-01", "2019-12"),
]

CORPUS_YAML = """\
# Extension modules and DLLs from the Windows wheels of {projects}.
# The label is the project, the group its release, first_seen the build date.
# All programs are benign: the corpus shows drift between releases, not between
# malware. Whole releases are held out.
# The spans are small, so the test splits take every row (sample: 1).
index: dataset.csv
root: .
labels: [{labels}]
train: {{name: "2017", from: 2017-01, to: 2017-12, fit: 0.7123, holdout: group}}
tests:
{tests}
seed: 1
"""


class Wheel(NamedTuple):
    """One line of wheels.txt."""

    project: str
    version: str
    sha256: str
    file: str

    @property
    def python(self):
        """The CPython version of the wheel's tags, such as "36"."""
        return self.file.rsplit("-", 3)[1].removeprefix("cp")

    @property
    def platform(self):
        """The platform tag: win32 or win_amd64."""
        return self.file.removesuffix(".whl").rsplit("-", 1)[1]


class Program(NamedTuple):
    """A PE file of a wheel."""

    first_seen: str  # YYYY-MM-DD
    label: str
    group: str  # project and release, such as "numpy 1.13.1"
    wheel: str
    entry: str
    sha256: str


def parse_list(path):
    """Return the wheels of a list file, in its order."""
    wheels = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LISTED.fullmatch(line.strip())
        if not match:
            raise ValueError(f"{path}:{number}: want 'name==version --hash=sha256:HEX  # file.whl', got {line.strip()!r}")
        wheels.append(Wheel(**match.groupdict()))
    return wheels


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(wheel, cache):
    """Return the path of the wheel in cache, and whether it had to be fetched."""
    path = cache / wheel.file
    if path.exists() and sha256_of(path) == wheel.sha256:
        return path, False
    with tempfile.TemporaryDirectory(dir=cache) as tmp:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--only-binary=:all:", "--platform", wheel.platform, "--python-version", wheel.python,
                   "--implementation", "cp", "--dest", tmp, "--requirement", os.path.join(tmp, "requirement.txt")]
        # The hash makes pip choose this wheel among those of the release.
        Path(tmp, "requirement.txt").write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
        done = subprocess.run(command, capture_output=True, text=True)
        got = Path(tmp, wheel.file)
        if done.returncode or not got.exists():
            raise RuntimeError(f"pip download of {wheel.file} failed: {done.stderr.strip() or 'it gave another file'}")
        if sha256_of(got) != wheel.sha256:
            raise RuntimeError(f"{wheel.file} is not the file that wheels.txt names: its sha256 is {sha256_of(got)}")
        os.replace(got, path)
    return path, True


def is_pe(data):
    """Whether data begins as a PE file: MZ, and PE\\0\\0 where the header says."""
    if len(data) < 64 or data[:2] != b"MZ":
        return False
    (at,) = struct.unpack_from("<I", data, 60)
    return data[at:at + 4] == b"PE\0\0"


def programs(wheel, path):
    """Yield every PE file of a wheel as (Program, bytes)."""
    with zipfile.ZipFile(path) as z:
        for info in sorted(z.infolist(), key=lambda i: i.filename):
            if not info.filename.lower().endswith((".pyd", ".dll", ".exe")):
                continue
            data = z.read(info)
            if is_pe(data):
                date = "%04d-%02d-%02d" % info.date_time[:3]
                yield Program(date, wheel.project, f"{wheel.project} {wheel.version}", wheel.file, info.filename, hashlib.sha256(data).hexdigest()), data


def split_of(program):
    """Return the name of the split a program falls in, or None."""
    for name, first, last in SPLITS:
        if first <= program.first_seen[:7] <= last:
            return name
    return None


def write_corpus(wheels, paths, out):
    """Write the corpus and return (rows, duplicates, outside).

    rows are the kept programs by date; duplicates and outside count what was
    dropped. out appears whole or not at all; a corpus that is there is replaced.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=out.name + ".tmp") as tmp:
        tmp = Path(tmp, "corpus")
        (tmp / "files").mkdir(parents=True)
        kept, seen, outside = {}, 0, 0
        for wheel, path in zip(wheels, paths):
            for program, data in programs(wheel, path):
                if split_of(program) is None:
                    outside += 1
                    continue
                seen += 1
                first = kept.get(program.sha256)
                if first is None:
                    # The name in the wheel is never used as a path.
                    (tmp / "files" / program.sha256).write_bytes(data)
                if first is None or program < first:
                    kept[program.sha256] = program
        rows = sorted(kept.values())
        with open(tmp / "dataset.csv", "w", newline="") as f:
            w = csv.writer(f, lineterminator="\n")
            w.writerow(["name", "label", "first_seen", "group", "wheel", "entry"])
            w.writerows([f"files/{p.sha256}", p.label, p.first_seen, p.group, p.wheel, p.entry] for p in rows)
        labels = sorted({w.project for w in wheels})
        tests = "\n".join(f"  - {{name: {n}, from: {a}, to: {b}, sample: 1}}" for n, a, b in SPLITS[1:])
        (tmp / "corpus.yaml").write_text(CORPUS_YAML.format(projects=", ".join(labels), labels=", ".join(labels), tests=tests))
        if out.exists():
            os.rename(out, tmp.with_name("old"))
        os.rename(tmp, out)
    return rows, seen - len(rows), outside


def is_corpus(folder):
    """Whether a folder holds a corpus of this script and nothing else."""
    return folder.is_dir() and {p.name for p in folder.iterdir()} <= {"dataset.csv", "corpus.yaml", "files"}


def table(rows):
    """Return the number of programs per label and split, as lines of text."""
    n = collections.Counter((p.label, split_of(p)) for p in rows)
    labels = sorted({p.label for p in rows})
    names = [name for name, _, _ in SPLITS]
    lines = [["label", *names, "all"]]
    lines += [[label, *(n[label, s] for s in names), sum(n[label, s] for s in names)] for label in labels]
    lines += [["all", *(sum(n[label, s] for label in labels) for s in names), len(rows)]]
    return [f"{line[0]:<14}" + "".join(f"{cell:>11}" for cell in line[1:]) for line in lines]


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="folder to make, or a corpus of this script to replace")
    parser.add_argument("--cache", type=Path, default=here.parent / ".deps" / "wheels", help="where fetched wheels are kept (default: .deps/wheels)")
    args = parser.parse_args()
    if args.out.exists() and not is_corpus(args.out):
        sys.exit(f"wheels_corpus: {args.out} is there already and holds something else: name another folder")
    try:
        wheels = parse_list(here / "wheels.txt")
        args.cache.mkdir(parents=True, exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda w: fetch(w, args.cache), wheels))
        rows, duplicates, outside = write_corpus(wheels, [path for path, _ in got], args.out)
    except (ValueError, RuntimeError, OSError, zipfile.BadZipFile) as err:
        sys.exit(f"wheels_corpus: {err}")
    print(f"{len(wheels)} wheels, {sum(fetched for _, fetched in got)} of them fetched", file=sys.stderr)
    print(*table(rows), sep="\n")
    print(f"dropped: {duplicates} exact duplicates, {outside} built outside {SPLITS[0][1]} to {SPLITS[-1][2]}")


if __name__ == "__main__":
    main()
