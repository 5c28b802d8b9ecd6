#!/bin/bash
# Stages driftbench with the libraries that it loads, for machines that have neither:
#
#     scripts/dist.sh bin/driftbench FOLDER
#
# FOLDER gets bin/driftbench, lib/ with every library that is no part of glibc, and
# VERSION. Wherever FOLDER lies, the program looks in ../lib, before LD_LIBRARY_PATH.
# `make dist` packs it. It needs patchelf, and strip, readelf and objdump of binutils.
set -euo pipefail
binary=$1
folder=$2
command -v patchelf >/dev/null || { echo "dist.sh: patchelf is missing: as root, apt-get install patchelf" >&2; exit 1; }

# TensorFlow is loaded by name, internal/libtensorflow says by which.
linked=$(patchelf --print-rpath "$binary")
tensorflow=
for name in libtensorflow_cc.so.2 libtensorflow.so.2 libtensorflow.so; do
	[ -e "$linked/$name" ] && { tensorflow=$linked/$name; break; }
done
[ "$tensorflow" ] || { echo "dist.sh: $binary was linked to find TensorFlow in $linked, which has none: run \`make build\`" >&2; exit 1; }
if readelf -d "$tensorflow" | grep -q libcud; then
	echo "dist.sh: $tensorflow is the CUDA build, whose NVIDIA libraries take 6 GB: run \`make dist\` without GPU=1" >&2
	exit 1
fi

rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/lib"
strip -o "$folder/bin/driftbench" "$binary"
# LD_LIBRARY_PATH comes after RPATH but before RUNPATH, which also leaves out what the libraries need.
patchelf --force-rpath --set-rpath '$ORIGIN/../lib' "$folder/bin/driftbench"
{
	printf '%s %s\n' "$(basename "$tensorflow")" "$tensorflow"
	ldd "$binary" "$tensorflow" | awk '/not found/ { print "dist.sh: " $0 >"/dev/stderr"; exit 1 } $3 ~ /^\// { print $1, $3 }'
} | sort -u | while read -r name path; do
	case $name in
	libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libresolv.so.* | libutil.so.* | libmvec.so.*) continue ;;
	esac
	strip -o "$folder/lib/$name" "$path"
done
patchelf --force-rpath --set-rpath '$ORIGIN' "$folder/lib/$(basename "$tensorflow")"

glibc=$(objdump -p "$folder"/bin/* "$folder"/lib/* | grep -o 'GLIBC_2[0-9.]*' | sort -uV | tail -1)
{
	"$binary" --version
	echo "needs Linux on $(uname -m), glibc ${glibc#GLIBC_} or newer"
} >"$folder/VERSION"
