"""Writes the golden files of the index: bench/dataset/index/testdata and
bench/dataset/date/testdata/pandas.json.

    pip install pandas==3.1.1 pyarrow==26.0.1 avclass-malicialab==2.8.10
    python scripts/golden/index.py

Each file is written by the tool that usually writes such files: pandas, pyarrow,
sqlite3, json, gzip and zipfile of Python, AVClass. golden.json has the rows that
pandas and these tools read back from them: name, label, month and group.
"""

import datetime
import gzip
import hashlib
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import zipfile

import pandas
import pyarrow
import pyarrow.parquet

ROOT = pathlib.Path(__file__).parent.parent.parent / "bench/dataset"
OUT = ROOT / "index/testdata"
UTC = datetime.timezone.utc
golden = {}


def digests(i: int) -> dict:
    data = b"file %d" % i
    return {name: hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256")}


def when(i: int) -> datetime.datetime:
    return datetime.datetime(2017, 1, 15, 10, 30, tzinfo=UTC) + datetime.timedelta(days=40 * i)


def month(i: int) -> str:
    return when(i).strftime("%Y-%m")


FAMILIES = ["zbot", "", "allaple", "sality, a", 'quo"te', "benjamin", "zbot", "upatre"]
N = len(FAMILIES)


def bodmas() -> None:
    frame = pandas.DataFrame(
        {
            "sha": [digests(i)["sha256"] for i in range(N)],
            "timestamp": [when(i).strftime("%Y-%m-%d %H:%M:%S UTC") for i in range(N)],
            "family": FAMILIES,
        }
    )
    frame.to_csv(OUT / "bodmas.csv", index=False)
    read = pandas.read_csv(OUT / "bodmas.csv", keep_default_na=False)
    golden["bodmas.csv"] = [
        [r.sha, r.family or "benign", r.timestamp[:7], ""] for r in read.itertuples()
    ]


def malwarebazaar() -> None:
    header = "first_seen_utc,sha256_hash,md5_hash,sha1_hash,reporter,file_name,file_type_guess,mime_type,signature,clamav,vtpercent,imphash,ssdeep,tlsh".split(",")
    lines = ["#" * 64, "# A dump of samples", "# Last updated: 2021-01-01 00:00:00 UTC", "#", "# " + ",".join('"%s"' % h for h in header)]
    for i in range(N):
        d = digests(i)
        row = [when(i).strftime("%Y-%m-%d %H:%M:%S"), d["sha256"], d["md5"], d["sha1"], "someone", "a, b.exe", "exe", "application/x-dosexec",
               FAMILIES[i].replace('"', "") or "n/a", "n/a", "n/a", "n/a", "3:x", "n/a"]
        lines.append(", ".join('"%s"' % v for v in row))
    text = "\r\n".join(lines + ["# Number of entries: %d" % N, ""])
    (OUT / "malwarebazaar.csv").write_text(text, newline="")
    read = pandas.read_csv(OUT / "malwarebazaar.csv", comment="#", header=None, names=header, skipinitialspace=True)
    golden["malwarebazaar.csv"] = [
        [r.sha256_hash, "" if pandas.isna(r.signature) else r.signature, r.first_seen_utc[:7], ""] for r in read.itertuples()
    ]
    with zipfile.ZipFile(OUT / "malwarebazaar.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.write(OUT / "malwarebazaar.csv", "full.csv")
    golden["malwarebazaar.zip"] = golden["malwarebazaar.csv"]


LABELS = [1, 0, 1, -1, 1, 0, 1, 1]


def ember() -> None:
    records = [
        {"sha256": digests(i)["sha256"], "md5": digests(i)["md5"], "appeared": month(i), "label": LABELS[i],
         "avclass": FAMILIES[i] if LABELS[i] == 1 else "", "histogram": [0] * 16, "strings": {"label": 7, "entropy": 1.5}}
        for i in range(N)
    ]
    with open(OUT / "ember2018.jsonl", "w") as f:
        for r in records:
            f.write(json.dumps(r) + "\n")
    frame = pandas.read_json(OUT / "ember2018.jsonl", lines=True, convert_dates=False)
    frame["appeared"] = [r["appeared"] for r in records]
    rows = [
        [r.sha256, {0: "benign", -1: "", 1: r.avclass}[r.label], r.appeared, ""] for r in frame.itertuples()
    ]
    golden["ember2018.jsonl"] = rows
    frame["subset"] = "train"
    frame[["sha256", "appeared", "subset", "label", "avclass"]].to_csv(OUT / "ember_metadata.csv")
    golden["ember_metadata.csv"] = rows
    frame[["sha256", "appeared", "subset", "label"]].to_csv(OUT / "ember2017_metadata.csv")
    golden["ember2017_metadata.csv"] = [
        [r[0], {0: "benign", -1: "", 1: "malicious"}[l], r[2], ""] for r, l in zip(rows, LABELS)
    ]


def ember2024() -> None:
    rows = []
    with zipfile.ZipFile(OUT / "ember2024.zip", "w", zipfile.ZIP_DEFLATED) as z:
        for part in range(2):
            lines = []
            for i in range(part * N // 2, (part + 1) * N // 2):
                r = {**digests(i), "tlsh": "T1", "first_submission_date": int(when(i).timestamp()), "label": max(LABELS[i], 0),
                     "file_type": "Win32", "family": FAMILIES[i] or None, "family_confidence": 0.5, "packer": None, "group": None, "week_id": i}
                lines += [json.dumps(r)] * 2
                rows.append([r["sha256"], (r["family"] or "") if r["label"] else "benign", month(i), ""])
            z.writestr("2017_Win32_%d.jsonl" % part, "\n".join(lines) + "\n")
        z.writestr("LICENSE", "text")
    golden["ember2024.zip"] = rows


def virustotal() -> None:
    reports, rows = [], []
    for i in range(N):
        attributes = {**digests(i), "first_submission_date": int(when(i).timestamp()), "last_analysis_date": 1, "type_description": "Win32 EXE",
                      "last_analysis_results": {"A": {"category": "malicious", "result": "x"}}, "last_analysis_stats": {"malicious": 3}}
        label, name = ["trojan", "worm", ""][i % 3], FAMILIES[i]
        if label:
            attributes["popular_threat_classification"] = {
                "suggested_threat_label": label + "." + name,
                "popular_threat_category": [{"count": 9, "value": label}, {"count": 2, "value": "virus"}],
                "popular_threat_name": [{"count": 5, "value": name}] if name else [],
            }
        reports.append({"id": attributes["sha256"], "type": "file", "links": {"self": "https://example.org"}, "attributes": attributes})
        rows.append([attributes["sha256"], label, month(i), name if label else ""])
    def write(name, text):
        if name.endswith(".gz"):
            with open(OUT / name, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as f:
                f.write(text.encode())
        else:
            (OUT / name).write_text(text)
        golden[name] = rows
    write("vt_data.jsonl.gz", "".join(json.dumps({"data": r}) + "\n" for r in reports))
    write("vt_pretty.json", "\n".join(json.dumps({"data": r}, indent=2) for r in reports))
    write("vt_list.json", json.dumps({"meta": {"count": N}, "data": reports, "links": {"next": "x"}}))
    write("vt_attributes.jsonl", "".join(json.dumps(r["attributes"]) + "\n" for r in reports))
    write("vt_array.json", json.dumps([r["attributes"] for r in reports], indent=1))


def sorel() -> None:
    tags = ["adware", "flooder", "ransomware", "dropper", "spyware", "packed", "crypto_miner", "file_infector", "installer", "worm", "downloader"]
    (OUT / "sorel.db").unlink(missing_ok=True)
    db = sqlite3.connect(OUT / "sorel.db")
    db.execute("CREATE TABLE meta (sha256 TEXT PRIMARY KEY, is_malware INTEGER, rl_fs_t INTEGER, rl_ls_const_positives INTEGER, %s)" % ", ".join(t + " INTEGER" for t in tags))
    for i in range(N):
        malware = int(LABELS[i] != 0)
        counts = [0] * len(tags)
        if malware and i != 6:
            counts[i], counts[10] = 5, 5 if i == 7 else 2
        db.execute("INSERT INTO meta VALUES (%s)" % ",".join("?" * (4 + len(tags))), [digests(i)["sha256"], malware, int(when(i).timestamp()), 3, *counts])
    db.commit()
    rows = []
    for sha, malware, t, *counts in db.execute("SELECT sha256, is_malware, rl_fs_t, %s FROM meta" % ", ".join(tags)):
        best = max(range(len(tags)), key=lambda k: (counts[k], -k))
        label = "benign" if not malware else tags[best] if counts[best] else ""
        rows.append([sha, label, datetime.datetime.fromtimestamp(t, UTC).strftime("%Y-%m"), ""])
    golden["sorel.db"] = rows
    db.close()


def parquet() -> None:
    base = {"name": ["dir/%d.exe" % i for i in range(N)], "label": pyarrow.array([f or None for f in FAMILIES]), "group": pyarrow.array([str(i % 3) for i in range(N)]).dictionary_encode()}
    seen = {
        "us": pyarrow.array([when(i) for i in range(N)], pyarrow.timestamp("us", tz="UTC")),
        "ms": pyarrow.array([when(i).replace(tzinfo=None) for i in range(N)], pyarrow.timestamp("ms")),
        "ns": pyarrow.array([when(i).replace(tzinfo=None) for i in range(N)], pyarrow.timestamp("ns")),
        "date": pyarrow.array([when(i).date() for i in range(N)], pyarrow.date32()),
        "epoch": pyarrow.array([int(when(i).timestamp()) for i in range(N)], pyarrow.int64()),
        "float": pyarrow.array([when(i).timestamp() for i in range(N)], pyarrow.float64()),
        "string": pyarrow.array([when(i).isoformat() for i in range(N)]),
        "int96": pyarrow.array([when(i).replace(tzinfo=None) for i in range(N)], pyarrow.timestamp("ns")),
    }
    for kind, column in seen.items():
        name = "seen_%s.parquet" % kind
        table = pyarrow.table({**base, "first_seen": column, "sizes": [[1, 2]] * N})
        pyarrow.parquet.write_table(table, OUT / name, compression={"us": "zstd", "ms": "gzip", "ns": "snappy"}.get(kind, "none"),
                                    use_deprecated_int96_timestamps=kind == "int96", row_group_size=3)
        back = pyarrow.parquet.read_table(OUT / name).to_pylist()
        golden[name] = [[r["name"], r["label"] or "", month(i), r["group"]] for i, r in enumerate(back)]


def dialects() -> None:
    texts = {
        "dialect_quotes.csv": 'name,label,first_seen\na"b.exe,worm,2017-01\n"c""d.exe",worm,2017-02\n"e\nf.exe",worm,2017-03\n"g"h.exe,worm,2017-04\n"i,j.exe",worm,2017-05\nk "l" m.exe,worm,2017-06\n',
        "dialect_blanks.csv": '\n\nname,label,first_seen\n\na.exe,worm,2017-01\n   \n\r\nb.exe,worm,2017-02\n\n',
        "dialect_spaces.csv": 'name, label, first_seen\na.exe, worm, 2017-01\n"b, c.exe", "virus", "2017-02"\n',
        "dialect_bom.csv": '\ufeffname,label,first_seen\r\na.exe,worm,2017-01\r\nb.exe,virus,2017-02\r\n',
        "dialect_cr.csv": 'name,label,first_seen\ra.exe,worm,2017-01\rb.exe,virus,2017-02\r',
        "dialect_comments.csv": '# made by hand\n# twice\nname,label,first_seen\na.exe,worm,2017-01\n# between\nb.exe,virus,2017-02\n',
        "dialect_tabs.tsv": 'name\tlabel\tfirst_seen\na, b.exe\tworm\t2017-01\n"c\td.exe"\tvirus\t2017-02\n',
        "dialect_semicolons.csv": 'name;label;first_seen\na, b.exe;worm;2017-01\nc.exe;virus;2017-02\n',
    }
    for name, text in texts.items():
        (OUT / name).write_bytes(text.encode())
        separator = {"tabs.tsv": "\t", "semicolons.csv": ";"}.get(name[8:], ",")
        read = pandas.read_csv(OUT / name, sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True, comment="#" if "comments" in name else None)
        golden[name] = [[r.name, r.label, r.first_seen, ""] for r in read.itertuples(index=False)]
    for encoding in ("utf-16-le", "utf-16-be"):
        name = "dialect_%s.csv" % encoding
        (OUT / name).write_bytes("\ufeffname,label,first_seen\r\nпример.exe,worm,2017-01\r\n".encode(encoding))
        read = pandas.read_csv(OUT / name, encoding="utf-16", dtype=str)
        golden[name] = [[r.name, r.label, r.first_seen, ""] for r in read.itertuples(index=False)]
    padded = "name       ,label  ,first_seen \na.exe      ,worm   ,2017-01    \nlong name.x,trojan ,2017-02    \n"
    (OUT / "dialect_padded.csv").write_text(padded)
    read = pandas.read_csv(OUT / "dialect_padded.csv", sep=r"\s*,\s*", engine="python", dtype=str)
    read.columns = read.columns.str.strip()
    golden["dialect_padded.csv"] = [[r.name, r.label, r.first_seen.strip(), ""] for r in read.itertuples(index=False)]


def avclass() -> None:
    names = [("Zbot", "Trojan-Spy.Win32.Zbot.abcd"), ("Generic", "HEUR:Trojan.Win32.Generic"), ("Allaple", "Net-Worm.Win32.Allaple.e"), ("Sality", "Virus.Win32.Sality.gen")]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
        for i in range(N):
            short, long = names[i % len(names)]
            f.write(json.dumps({**digests(i), "av_labels": [["Microsoft", "Win32/%s.A" % short], ["Kaspersky", long], ["ESET-NOD32", "Win32/%s.B" % short]]}) + "\n")
        f.flush()
        program = pathlib.Path(sys.executable).parent / "avclass"
        for kind in ("md5", "sha1", "sha256"):
            for suffix, more in (("labels", []), ("tags", ["-t"])):
                out = subprocess.run([program, "-f", f.name, "-hash", kind, *more], check=True, capture_output=True, text=True).stdout
                (OUT / ("avclass_%s.%s" % (kind, suffix))).write_text(out)


def dates() -> None:
    values = [
        ("2017-01-05", ""), ("2017-01-05 10:00:00", ""), ("2017-01-05T10:00:00Z", ""), ("2017-01-05T10:00:00.123456+00:00", ""),
        ("2018-01-01T00:30:00+02:00", ""), ("2017-12-31 20:00:00-0500", ""), ("2017-12-31 23:00:00 -05:00", ""), ("2017-01-05 10:00 UTC", ""),
        ("2018/03/04", ""), ("2018/03/04 05:06", ""), ("2020-02-29", ""), ("2018-3-4", ""), ("2018-03-04T05:06", ""), ("2018-03-04 5:06", ""),
        ("04/03/2018", "dmy"), ("04/03/2018", "mdy"), ("4.3.2018 23:59", "dmy"), ("31-12-2018", "dmy"), ("12/31/2018 1:02:03", "mdy"), ("3/4/18", "mdy"),
        ("1520121600", "s"), ("1520121600.5", "s"), ("1.5201216e9", "s"), ("0", "s"), ("4294967295", "s"),
    ]
    made = []
    for value, order in values:
        if order == "s":
            t = pandas.to_datetime(float(value), unit="s", utc=True)
        else:
            t = pandas.to_datetime(value, dayfirst=order == "dmy", utc=True)
        made.append({"Value": value, "Order": "" if order == "s" else order, "UTC": t.floor("s").strftime("%Y-%m-%dT%H:%M:%S")})
    out = ROOT / "date/testdata"
    out.mkdir(exist_ok=True)
    (out / "pandas.json").write_text("[\n" + ",\n".join("  " + json.dumps(m) for m in made) + "\n]\n")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    for make in (bodmas, malwarebazaar, ember, ember2024, virustotal, sorel, parquet, dialects, avclass, dates):
        make()
    files = ",\n".join(' "%s": [\n%s\n ]' % (name, ",\n".join("  " + json.dumps(r, ensure_ascii=False) for r in rows)) for name, rows in golden.items())
    (OUT / "golden.json").write_text("{\n" + files + "\n}\n")


if __name__ == "__main__":
    main()
