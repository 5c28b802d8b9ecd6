"""Make the archives in bench/files/archive/testdata by the tools that users have.

    golden_archives.py OUT

Python 3.11.7 (zipfile, tarfile), pyzipper 0.4.0, py7zr 1.1.4, Info-ZIP 3.0, cart 1.2.3,
zstd 1.5.4. The members of all are those of files(); the test makes the same bytes.
"""
import hashlib
import io
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

import py7zr
import pyzipper

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
    path = os.path.join(OUT, name)
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
                path = out(f"aes{bits}-ae{version}-{method}.zip")
                with pyzipper.AESZipFile(path, "w", METHODS[method]) as z:
                    z.setpassword(PASSWORD)
                    z.setencryption(pyzipper.WZ_AES, nbits=bits, force_wz_aes_version=version)
                    for member, data in files():
                        z.writestr(member, data)

    for name, level in ("zipcrypto-deflated", "-9"), ("zipcrypto-stored", "-0"):
        info_zip(out(f"{name}.zip"), level, "-P", PASSWORD.decode())


def info_zip(path, *options):
    with tempfile.TemporaryDirectory() as folder:
        for member, data in files():
            os.makedirs(os.path.dirname(os.path.join(folder, member)), exist_ok=True)
            with open(os.path.join(folder, member), "wb") as f:
                f.write(data)
        subprocess.run(["zip", "-q", "-X", "-D", *options, path, *(m for m, _ in files())], cwd=folder, check=True)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    zips()
