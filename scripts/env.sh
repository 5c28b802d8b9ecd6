#!/bin/sh
# Prints the shell exports that let the Go command build driftbench against
# one libtensorflow, and against OpenBLAS when it is there:
#
#     scripts/env.sh ROOT DEST >.deps/env && . .deps/env && go test ./...
#
# ROOT is either an unpacked TensorFlow wheel (the folder `tensorflow`, with
# libtensorflow_cc.so.2 in it) or an installed libtensorflow (ROOT/include and
# ROOT/lib/libtensorflow.so). DEST receives an empty libtensorflow.a for the
# Go binding to link: the program loads the library itself, when it first needs
# it, see internal/libtensorflow.
#
# BLAS=gonum builds without OpenBLAS, BLAS=openblas fails without it.
set -eu

root=$(cd "$1" 2>/dev/null && pwd -P) || { echo "env.sh: TENSORFLOW_ROOT=$1: no such folder" >&2; exit 1; }
dest=$2

lib=
for library in "$root/libtensorflow_cc.so.2" "$root/lib/libtensorflow.so" "$root/lib/libtensorflow_cc.so.2"; do
	if [ -e "$library" ]; then
		lib=$(dirname "$library")
		break
	fi
done
if [ -z "$lib" ]; then
	echo "env.sh: $root holds no libtensorflow_cc.so.2 and no lib/libtensorflow.so: name an unpacked TensorFlow wheel or an installed libtensorflow" >&2
	exit 1
fi
[ -e "$root/include/tensorflow/c/c_api.h" ] || { echo "env.sh: $root/include/tensorflow/c/c_api.h is missing: the C headers are needed to build" >&2; exit 1; }

mkdir -p "$dest"
dest=$(cd "$dest" && pwd -P)
rm -f "$dest/libtensorflow.so" # which would be linked in place of the archive
printf '!<arch>\n' >"$dest/libtensorflow.a"

# cgo takes quoted arguments, for folders with a space.
cflags="-O2 -g -Wno-deprecated-declarations '-I$root/include'"
# The version, where the library lies in a wheel, so that it is known unloaded.
for info in "$root"/../tensorflow-[0-9]*.dist-info "$root"/../tensorflow_cpu-[0-9]*.dist-info; do
	version=${info%.dist-info}
	[ -d "$info" ] && cflags="$cflags -DTENSORFLOW_VERSION=${version##*-}"
done
ldflags="'-L$dest' '-Wl,-rpath,$lib'"
tags=
blas=${BLAS:-auto}
case $blas in
auto | gonum | openblas) ;;
*)
	echo "env.sh: BLAS=$blas: want auto, gonum or openblas" >&2
	exit 1
	;;
esac
if [ "$blas" != gonum ]; then
	if pkg-config --exists lapacke openblas 2>/dev/null; then
		# Linker flags only: OpenBLAS's own cblas.h breaks netlib's cgo.
		ldflags="$ldflags $(pkg-config --libs lapacke openblas)"
		tags=openblas
	elif [ "$blas" = openblas ]; then
		echo "env.sh: BLAS=openblas, but pkg-config finds no lapacke and openblas: run 'make deps' as root, or install libopenblas-dev and liblapacke-dev" >&2
		exit 1
	fi
fi

cat <<EOF
export CGO_ENABLED=1
export CGO_CFLAGS="$cflags"
export CGO_LDFLAGS="$ldflags"
export GOFLAGS="\${GOFLAGS:-} -tags=$tags"
EOF
