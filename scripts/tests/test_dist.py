"""The folder that `make dist` packs, moved, with nothing of this machine but glibc."""

import os
import random
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIFTBENCH = ROOT / "bin" / "driftbench"
MODEL = ROOT / "bench" / "corpus" / "malconv"
GLIBC = {"libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libresolv.so.2", "ld-linux-x86-64.so.2"}


@pytest.fixture(scope="module")
def tensorflow():
    """The folder of TensorFlow that this build of driftbench loads."""
    doctor = subprocess.run([DRIFTBENCH, "doctor"], capture_output=True, text=True, check=True)
    return Path(re.search(r"^tensorflow .* from (.*)", doctor.stdout, re.M).group(1)).parent


def run(dist, *arguments, input=None, **environment):
    done = subprocess.run([dist / "bin" / "driftbench", *map(str, arguments)], env=environment, input=input, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_libraries_are_its_own(dist, tensorflow, tmp_path):
    """Even where LD_LIBRARY_PATH, as YARN sets it, names other ones."""
    done = run(dist, "doctor", LD_DEBUG="libs", LD_DEBUG_OUTPUT=str(tmp_path / "loader"), LD_LIBRARY_PATH=str(tensorflow))
    assert f"from {dist}/lib/" in done.stdout
    said = "".join(p.read_text() for p in tmp_path.glob("loader.*"))
    loaded = {Path(os.path.normpath(p)) for p in re.findall(r"calling init: (\S+)", said)}
    others = {p for p in loaded if p.parent != dist / "lib"}
    assert {p.name for p in others} <= GLIBC
    names = {p.name.split(".")[0] for p in loaded - others}
    assert {"libtensorflow_framework", "libstdc++"} <= names <= {p.name.split(".")[0] for p in (dist / "lib").iterdir()}


def test_version(dist):
    version, needs = (dist / "VERSION").read_text().splitlines()
    assert version == run(dist, "--version").stdout.strip()
    assert re.fullmatch(r"needs Linux on \w+, glibc 2\.\d+ or newer", needs)


@pytest.mark.parametrize("engine", ["table", "tensorflow"])
def test_a_worker_computes_what_that_of_the_build_does(dist, tmp_path, engine):
    for i in range(3):
        (tmp_path / f"{i}.exe").write_bytes(random.Random(i).randbytes(90_000))
    rows = "".join(f'{{"name":"{i}.exe"}}\n' for i in range(3)) + '{"rows":3}\n'
    found = [
        run(folder, "worker", "--model", MODEL, "--files", tmp_path, "--engine", engine, "--allow-inexact", input=rows).stdout.splitlines()
        for folder in (dist, ROOT)
    ]  # fmt: skip
    assert sorted(found[0]) == sorted(found[1]) and len(found[0]) == 4


def test_a_program_without_its_tensorflow_is_refused(tmp_path):
    binary = tmp_path / "driftbench"
    binary.write_bytes(DRIFTBENCH.read_bytes())
    subprocess.run(["patchelf", "--set-rpath", tmp_path, binary], check=True)
    done = subprocess.run([ROOT / "scripts" / "dist.sh", binary, tmp_path / "dist"], capture_output=True, text=True)
    assert done.returncode == 1 and "has none: run `make build`" in done.stderr
    assert not (tmp_path / "dist").exists()
