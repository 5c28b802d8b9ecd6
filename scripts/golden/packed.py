"""Make the packed files in bench/files/packed/testdata by the tools that users have.

    golden/packed.py OUT

Python 3.11.7 (zlib, gzip) and cart 1.2.3. The content of each is content() but for those that say so.
"""
import gzip
import io
import os
import sys
import zlib

import cart


def content():
    return b"MZ" + b"".join(b"%d lines of text\n" % i for i in range(2_000))


def write(name, data):
    with open(os.path.join(sys.argv[1], name), "wb") as f:
        f.write(data)


def carted(data, **options):
    packed = io.BytesIO()
    cart.pack_stream(io.BytesIO(data), packed, **options)
    return packed.getvalue()


for level in 0, 1, 6, 9:
    write(f"level{level}.zlib", zlib.compress(content(), level))
write("empty.zlib", zlib.compress(b""))
write("python.gz", gzip.compress(content(), mtime=0))
half = len(content()) // 2
write("members.gz", gzip.compress(content()[:half], mtime=0) + gzip.compress(content()[half:], mtime=0))
write("plain.cart", carted(content()))
write("named.cart", carted(content(), optional_header={"name": "a name"}, optional_footer={"tag": "x"}))
write("key.cart", carted(content(), optional_header={"name": "a name"}, arc4_key_override=b"0123456789abcdef"))
write("empty.cart", carted(b""))
