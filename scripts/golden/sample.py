"""Writes bench/dataset/testdata/sample.json: what pandas' sample returns.

    pip install pandas && python scripts/golden/sample.py

Row numbers of DataFrame.sample(frac, random_state) for the sizes and shares
that the Go code is held to. Of more than 16 rows the file keeps the first and
last eight and a sha256 over all of them, joined by commas.
"""

import hashlib
import json
import pathlib

import numpy
import pandas

OUT = pathlib.Path(__file__).parent.parent.parent / "bench/dataset/testdata/sample.json"


def case(n: int, frac: float, seed: int) -> dict:
    frame = pandas.DataFrame({"row": range(n)})
    rows = frame.sample(frac=frac, random_state=seed)["row"].tolist()
    keep = rows if len(rows) <= 16 else rows[:8] + rows[-8:]
    digest = hashlib.sha256(",".join(map(str, rows)).encode()).hexdigest()
    return {"n": n, "frac": frac, "seed": seed, "size": len(rows), "rows": keep, "sha256": digest}


def main() -> None:
    cases = [
        case(n, frac, seed)
        for seed in (1, 0, 42, 2**32 - 1)
        for n in (1, 5, 10, 1000, 3476)
        for frac in (1, 0.3)
    ]
    # Sizes that end on a half: Python rounds them to even.
    cases += [case(n, 0.5, 1) for n in (1, 3, 5, 7)]
    lines = ",\n".join("  " + json.dumps(c) for c in cases)
    OUT.write_text(
        f'{{"pandas": "{pandas.__version__}", "numpy": "{numpy.__version__}", "cases": [\n{lines}\n]}}\n'
    )


if __name__ == "__main__":
    main()
