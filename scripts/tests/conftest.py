import contextlib
import functools
import io
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorflow_setup  # noqa: E402, F401  (before a test imports TensorFlow)


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """Converts a variant of test_peers once for all tests: (MalConv, folder of its SavedModel)."""

    @functools.cache
    def once(variant):
        from convert_savedmodel import convert
        from test_peers import VARIANTS

        folder = tmp_path_factory.mktemp("converted")
        VARIANTS[variant]().save(folder / "model.keras")
        found, _ = convert(folder / "model.keras", folder / "saved")
        return found, folder / "saved"

    return once


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """The folder that `make dist` packs, moved after it was made."""
    root = Path(__file__).resolve().parents[2]
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([root / "scripts" / "dist.sh", root / "bin" / "driftbench", folder / "made"], check=True)
    return (folder / "made").rename(folder / "moved")


@pytest.fixture
def command(monkeypatch):
    """Runs a script as its command does, in this process: TensorFlow takes long to load."""

    def run(module, *arguments):
        monkeypatch.setattr(sys, "argv", [module.__file__, *map(str, arguments)])
        stdout, stderr, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                module.main()
            except SystemExit as end:
                code = end.code
                if isinstance(code, str):
                    print(code, file=sys.stderr)
                    code = 1
        return subprocess.CompletedProcess(arguments, code or 0, stdout.getvalue(), stderr.getvalue())

    return run
