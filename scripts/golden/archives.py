"""Make the archives in bench/files/archive/testdata by the tools that users have.

    golden/archives.py OUT

Python 3.11.7 (zipfile, tarfile), pyzipper 0.4.0, py7zr 1.1.4, backports.zstd 1.8.0,
Info-ZIP 3.0, 7-Zip 26.02, GNU tar 1.34, bsdtar 3.6.2, zstd 1.5.4. The members are those of
files(), but in sparse.tar; the test makes the same bytes.
"""
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import py7zr
import pyzipper
from backports.zstd import zipfile as zstandard

PASSWORD = b"infected"
OUT = os.path.abspath(sys.argv[1])


def noise(seed, n):
    """n bytes that do not compress: SHA-256 of a counter."""
    blocks = (hashlib.sha256(b"%d/%d" % (seed, i)).digest() for i in range(n // 32 + 1))
    return b"".join(blocks)[:n]


def files():
    """Names and contents: empty, short, one that compresses well, one that does not."""
    return [
        ("empty", b""),
        ("short", b"MZ short"),
        ("folder/zeros", b"MZ" + bytes(70_000)),
        ("folder/noise", b"MZ" + noise(1, 5_000)),
        ("text", b"".join(b"%d lines of text\n" % i for i in range(2_000))),
    ]


def out(name):
    end = os.path.splitext(name)[1]
    path = os.path.join(OUT, {".zip": "zip", ".7z": "7z"}.get(end, "tar"), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.remove(path)
    return path


METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


def stamped(name):
    return zipfile.ZipInfo(name, (2018, 3, 4, 5, 6, 8))


def zips():
    for name, method in METHODS.items():
        with zipfile.ZipFile(out(f"{name}.zip"), "w", method) as z:
            for member, data in files():
                z.writestr(stamped(member), data, method)

    with zstandard.ZipFile(out("zstd.zip"), "w") as z:
        for member, data in files():
            z.writestr(member, data, zstandard.ZIP_ZSTANDARD)

    class Pipe(io.RawIOBase):  # cannot seek, so lengths follow the data
        def __init__(self, f):
            self.f = f

        def writable(self):
            return True

        def write(self, b):
            return self.f.write(b)

    with open(out("descriptor.zip"), "wb") as f, zipfile.ZipFile(Pipe(f), "w", zipfile.ZIP_DEFLATED) as z:
        for member, data in files():
            z.writestr(stamped(member), data, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(out("zip64.zip"), "w", zipfile.ZIP_DEFLATED) as z:
        for member, data in files():
            with z.open(stamped(member), "w", force_zip64=True) as w:
                w.write(data)

    for bits in 128, 192, 256:
        for version in 1, 2:
            for method in "stored", "deflated":
                if method == "stored" and (bits, version) not in ((128, 1), (256, 2)):
                    continue  # to keep the repository small
                path = out(f"aes{bits}-ae{version}-{method}.zip")
                with pyzipper.AESZipFile(path, "w", METHODS[method]) as z:
                    z.setpassword(PASSWORD)
                    z.setencryption(pyzipper.WZ_AES, nbits=bits, force_wz_aes_version=version)
                    for member, data in files():
                        z.writestr(member, data)

    for name, level in ("zipcrypto-deflated", "-9"), ("zipcrypto-stored", "-0"):
        run("zip", "-q", "-X", "-D", level, "-P", PASSWORD.decode(), out(f"{name}.zip"))
    run("7z", "a", "-tzip", "-mm=Deflate64", "-mx=9", out("deflate64.zip"), quiet=True)
    run("7z", "a", "-tzip", "-mem=AES256", "-p" + PASSWORD.decode(), out("aes-7z.zip"), quiet=True)
    run("7z", "a", "-tzip", "-mem=ZipCrypto", "-p" + PASSWORD.decode(), out("zipcrypto-7z.zip"), quiet=True)


def run(*command, quiet=False, files=files()):
    """Run a tool in a folder that holds some files, with their names as its last arguments."""
    with tempfile.TemporaryDirectory() as folder:
        for member, data in files:
            path = os.path.join(folder, member)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.seek(len(data) - len(data.lstrip(b"\0")))
                f.write(data.lstrip(b"\0"))
            os.utime(path, (1_520_139_968,) * 2)
        subprocess.run([*command, *(m for m, _ in files)], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL if quiet else None)


def tars():
    owner = ["--uid", "0", "--gid", "0", "--uname", "root", "--gname", "root", "-cf"]
    run("bsdtar", "--format=ustar", *owner, out("bsdtar.tar"))
    run("bsdtar", "-z", *owner, out("bsdtar.tar.gz"))
    run("bsdtar", "--zstd", *owner, out("bsdtar.tar.zst"))
    run("tar", "--format=gnu", "--zstd", "--owner=root:0", "--group=root:0", "-cf", out("gnu.tar.zst"))
    run("tar", "--sparse", "-cf", out("sparse.tar"), files=[("sparse", bytes(1 << 20) + b"MZ"), ("after", b"MZ after")])
    with tarfile.open(out("python.tar.gz"), "w:gz", format=tarfile.PAX_FORMAT) as t:
        folder = tarfile.TarInfo("./folder")
        folder.type = tarfile.DIRTYPE
        t.addfile(folder)
        for member, data in files():
            info = tarfile.TarInfo("./" + member)
            info.size = len(data)
            info.pax_headers = {"comment": "a header of its own"}
            t.addfile(info, io.BytesIO(data))


def sevenzips():
    password = PASSWORD.decode()
    lzma = [{"id": py7zr.FILTER_LZMA, "preset": 6}]
    for name, key, filters, hidden in (
        ("py7zr-solid", None, None, False),
        ("py7zr-lzma", None, lzma, False),
        ("py7zr-encrypted", password, None, False),
        ("py7zr-encrypted-names", password, None, True),
    ):
        with py7zr.SevenZipFile(out(f"{name}.7z"), "w", password=key, filters=filters, header_encryption=hidden) as z:
            for member, data in files():
                z.writestr(data, member)
    for name, options in (
        ("each", ["-ms=off"]),
        ("each-encrypted", ["-ms=off", "-p" + password]),
        ("bcj2", ["-m0=BCJ2", "-m1=LZMA:d=1m", "-m2=LZMA:d=64k", "-m3=LZMA:d=64k", "-mb0:1", "-mb0s1:2", "-mb0s2:3"]),
        ("ppmd", ["-m0=PPMd"]),
        ("deflate", ["-m0=Deflate"]),
        ("bzip2", ["-m0=BZip2"]),
        ("copy", ["-m0=Copy", "-mhc=off"]),
        ("delta", ["-m0=Delta:4", "-m1=LZMA2", "-mf=off"]),
    ):
        run("7z", "a", *options, out(f"7z-{name}.7z"), quiet=True)


if __name__ == "__main__":
    zips()
    tars()
    sevenzips()
