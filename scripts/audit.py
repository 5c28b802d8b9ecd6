"""Look for known vulnerabilities in what driftbench is made of.

    python scripts/audit.py VENV    # VENV has pip-audit, see requirements/audit.txt

The databases are asked first about a version whose vulnerability is long known:
one that does not know it, or cannot be reached, has checked nothing, and that
is said. Exit status: 0 nothing known, 1 something found or damaged, 2 not all
could be checked. Databases of one's own serve offline:

    GOVULNDB=file:///path                   a copy of https://vuln.go.dev
    PIP_AUDIT_VULNERABILITY_SERVICE=osv PIP_AUDIT_OSV_URL=http://...
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

GOVULNCHECK = "golang.org/x/vuln"
GOVULNCHECK_VERSION = "v1.9.0"
GOVULNCHECK_SUM = "h1:12VaqnI9kJfqwRoPptxoqsUhQtdfrSbdksT7X/KY/sc="  # as go.sum would hold it

KNOWN_GO = ("golang.org/x/text@v0.3.5", "GO-2021-0113")
KNOWN_PYTHON = ("urllib3==1.24.1", "CVE-2019-11324")

CLEAN, FOUND, UNCHECKED = 0, 1, 2


def run(*command, show=False):
    return subprocess.run(command, cwd=ROOT, text=True, stdout=None if show else subprocess.PIPE, stderr=None if show else subprocess.PIPE)


def unchecked(what, done):
    lines = [line for line in (done.stderr or "").splitlines() if line.strip() and not line.startswith("exit status")]
    print(f"not checked: {lines[-1].strip() if lines else 'the database does not know ' + what}")
    return UNCHECKED


def modules():
    """Whether the modules downloaded are those of go.sum."""
    return FOUND if run("go", "mod", "verify", show=True).returncode else CLEAN


def go():
    """Vulnerabilities of Go's library and of modules that the code can reach."""
    package = f"{GOVULNCHECK}/cmd/govulncheck@{GOVULNCHECK_VERSION}"
    got = run("go", "mod", "download", "-json", f"{GOVULNCHECK}@{GOVULNCHECK_VERSION}")
    if got.returncode:
        return unchecked(package, got)
    if json.loads(got.stdout)["Sum"] != GOVULNCHECK_SUM:
        print(f"{GOVULNCHECK}@{GOVULNCHECK_VERSION} is not the module that audit.py names")
        return FOUND
    check = ["go", "run", package, "-db", os.environ.get("GOVULNDB", "https://vuln.go.dev")]
    known = run(*check, "-mode=query", "-json", KNOWN_GO[0])
    if known.returncode or KNOWN_GO[1] not in known.stdout:
        return unchecked(KNOWN_GO[1], known)
    run(*check, "-version", show=True)  # says how old the database is
    done = run(*check, "./...", show=True)
    if done.returncode:
        print("found, or not to the end")
    return FOUND if done.returncode else CLEAN


def python(venv):
    """Vulnerabilities of the pinned Python packages."""
    audit = [str(Path(venv, "bin", "python")), "-m", "pip_audit", "--disable-pip", "--strict", "--progress-spinner=off"]
    known = subprocess.run([*audit, "--no-deps", "--format=json", "--aliases", "-r", "/dev/stdin"], input=KNOWN_PYTHON[0], text=True, capture_output=True)
    if KNOWN_PYTHON[1] not in known.stdout:
        return unchecked(KNOWN_PYTHON[1], known)
    status = CLEAN
    for path in sorted(ROOT.glob("scripts/requirements/*.txt")):
        print(path.relative_to(ROOT), flush=True)
        if run(*audit, "--require-hashes", "-r", str(path), show=True).returncode:
            print("found, or not to the end")
            status = FOUND
    return status


def main():
    worst = CLEAN
    for name, check in [("Go modules against go.sum", modules), ("Go vulnerabilities", go), ("Python vulnerabilities", lambda: python(sys.argv[1]))]:
        print(f"\n== {name}", flush=True)
        status = check()
        if status == FOUND or worst == CLEAN:
            worst = status
    print("\n" + ["nothing known", "found: see above", "NOT ALL CHECKED: see above"][worst])
    sys.exit(worst)


if __name__ == "__main__":
    main()
