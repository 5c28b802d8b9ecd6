"""What is downloaded is pinned by version and hash, and what is used has its licence in docs/licences.md."""

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("scripts/requirements/*.txt"))


def requirements(text):
    """The requirements of a lock, their continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pinned(requirement):
    name = r"[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?"
    return re.fullmatch(name + r"==[\w.+!-]+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+", re.sub(r"\s+", " ", requirement))


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_every_requirement_has_a_version_and_a_hash(path):
    found = requirements(path.read_text())
    assert found and [r for r in found if not pinned(r)] == []


@pytest.mark.parametrize("requirement", ["a", "a==1", "a>=1 --hash=sha256:" + "0" * 64, "a==1 --hash=md5:" + "0" * 32, "a==1 --hash=sha256:" + "0" * 63, "-r other.txt", "https://x/a.whl"])
def test_what_is_not_pinned_is_seen(requirement):
    assert not pinned(requirement)


def test_a_package_of_another_hash_is_not_installed(tmp_path):
    """pip as the Makefile calls it, on a lock one digit of which is changed."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("tiny.py", "")
        z.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        z.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("tiny-1.0.dist-info/RECORD", "")
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    makefile = (ROOT / "Makefile").read_text()
    flags = re.search(r"^PIP +:= \$\(PY\) -m pip install (.*)$", makefile, re.M).group(1).split()
    for digest, installed in [(wrong, False), (right, True)]:
        lock = tmp_path / "requirements.txt"
        lock.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
        done = subprocess.run([sys.executable, "-m", "pip", "install", *flags, "--no-index", "--find-links", tmp_path, "--target", tmp_path / "into", "-r", lock],
                              capture_output=True, text=True)
        assert (done.returncode == 0) == installed == (tmp_path / "into" / "tiny.py").exists(), done.stderr
        assert installed or "DO NOT MATCH THE HASHES" in done.stderr


def licensed():
    """The names in the table of licences."""
    section = (ROOT / "docs/licences.md").read_text()
    return {name for row in re.findall(r"^\|.*", section, re.M) for name in re.findall(r"`([^`]+)`", row)}


def test_the_licence_is_listed_of_every_direct_dependency():
    mod = (ROOT / "go.mod").read_text()
    tools = re.findall(r"^tool (\S+)$", mod, re.M)
    modules = {m for m, rest in re.findall(r"^\t(\S+) v\S+(.*)$", mod, re.M) if "indirect" not in rest or any(t.startswith(m + "/") for t in tools)}
    packages = {line.split("==")[0] for line in (ROOT / "scripts/requirements/common.in").read_text().split()}
    packages |= {r.split("==")[0] for name in ("tensorflow", "peers", "torch", "golden", "archives", "audit", "spark", "spark-build") for r in direct(name)}
    assert len(modules) > 15 and len(packages) > 7
    assert modules | packages == licensed()


def direct(name):
    """The packages that lock.sh asks for in NAME.txt."""
    script = (ROOT / "scripts/requirements/lock.sh").read_text()
    if name == "tensorflow":
        return ["tensorflow-cpu"]
    return re.findall(r'"?([\w.-]+==[\w.$-]+)"?', re.search(rf"^lock {name}\.txt (.*)$", script, re.M).group(1))
