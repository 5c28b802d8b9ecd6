"""Make stores of samples, as collections of malware have them, in bench/files/testdata by their own tools.

    golden/stores.py OUT

Python 3.11.7 (zlib, gzip, zipfile), pyzipper 0.4.0, py7zr 1.1.4, cart 1.2.3, Info-ZIP 3.0, GNU tar 1.34.
Sample i of all is sample(i); the test makes the same bytes.
"""
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib

import cart
import py7zr
import pyzipper

OUT = os.path.abspath(sys.argv[1])
PASSWORD = "infected"


def sample(i):
    return b"MZ sample %d\n" % i + b"".join(b"%d: line %d\n" % (i, j) for j in range(200 * (i % 4)))


def sha256(i):
    return hashlib.sha256(sample(i)).hexdigest()


def md5(i):
    return hashlib.md5(sample(i)).hexdigest()


def write(name, data=b""):
    path = os.path.join(OUT, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.remove(path)
    if data:
        with open(path, "wb") as f:
            f.write(data)
    return path


def run(*command, files):
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files:
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        subprocess.run([*command, *(name for name, _ in files)], cwd=folder, check=True)


for i in (0, 1):  # MalwareBazaar: one AES zip a sample
    with pyzipper.AESZipFile(write(f"bazaar/{sha256(i)}.zip"), "w", compression=zipfile.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as z:
        z.setpassword(PASSWORD.encode())
        z.writestr(f"{sha256(i)}.exe", sample(i))
# VirusShare: a ZipCrypto zip of many.
run("zip", "-q", "-X", "-P", PASSWORD, write("virusshare/VirusShare_00000.zip"), files=[(f"VirusShare_{md5(i)}", sample(i)) for i in (2, 3, 4)])
# MOTIF: an encrypted 7z, one stream.
with py7zr.SevenZipFile(write("motif/MOTIF.7z"), "w", password=PASSWORD) as z:
    for i in (5, 6, 7):
        z.writestr(sample(i), f"MOTIF_defanged/MOTIF_{md5(i)}")
# SOREL-20M: a zlib file a sample. Assemblyline: CaRT, in folders of digits.
for i in (8, 9):
    write(f"sorel/{sha256(i)}", zlib.compress(sample(i)))
for i in (10, 11):
    packed = io.BytesIO()
    cart.pack_stream(io.BytesIO(sample(i)), packed, optional_header={"name": "sample"})
    h = sha256(i)
    write(f"assemblyline/{h[0]}/{h[1]}/{h[2]}/{h[3]}/{h}.cart", packed.getvalue())
for i in (12, 13):
    write(f"gzip/{hashlib.sha1(sample(i)).hexdigest()}.gz", gzip.compress(sample(i), mtime=0))
itself = gzip.compress(sample(14), mtime=0)  # a gzip that is a sample
write(f"gzip/{hashlib.sha256(itself).hexdigest()}", itself)
jar = io.BytesIO()  # a zip that is a sample
with zipfile.ZipFile(jar, "w") as z:
    z.writestr(zipfile.ZipInfo("Main.class"), sample(15))
write(f"bazaar/{hashlib.sha256(jar.getvalue()).hexdigest()}.zip", jar.getvalue())
# A notebook's own corpus, as tar makes it of a folder.
run("tar", "--owner=0", "--group=0", "--mtime=2018-03-04", "-czf", write("backup.tar.gz"), files=[(f"./2017/{i}.exe", sample(i)) for i in (16, 17, 18)])
