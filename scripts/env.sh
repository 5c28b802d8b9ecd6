#!/bin/sh
# Prints the shell exports that let the Go command build driftbench against
# one libtensorflow, and against OpenBLAS when it is there:
#
#     scripts/env.sh ROOT DEST >.deps/env && . .deps/env && go test ./...
#
# ROOT is either an unpacked TensorFlow wheel (the folder `tensorflow`, with
# libtensorflow_cc.so.2 in it) or an installed libtensorflow (ROOT/include and
# ROOT/lib/libtensorflow.so). DEST receives libtensorflow.so, a linker script:
# the C API's symbols are split over two libraries, and the Go binding names
# only one.
#
# BLAS=gonum builds without OpenBLAS, BLAS=openblas fails without it.
set -eu

root=$(cd "$1" 2>/dev/null && pwd -P) || { echo "env.sh: TENSORFLOW_ROOT=$1: no such folder" >&2; exit 1; }
dest=$2

if [ -e "$root/libtensorflow_cc.so.2" ]; then
	lib=$root main=libtensorflow_cc.so.2 framework=libtensorflow_framework.so.2
elif [ -e "$root/lib/libtensorflow.so" ]; then
	lib=$root/lib main=libtensorflow.so framework=libtensorflow_framework.so
elif [ -e "$root/lib/libtensorflow_cc.so.2" ]; then
	lib=$root/lib main=libtensorflow_cc.so.2 framework=libtensorflow_framework.so.2
else
	echo "env.sh: $root holds no libtensorflow_cc.so.2 and no lib/libtensorflow.so: name an unpacked TensorFlow wheel or an installed libtensorflow" >&2
	exit 1
fi
[ -e "$root/include/tensorflow/c/c_api.h" ] || { echo "env.sh: $root/include/tensorflow/c/c_api.h is missing: the C headers are needed to build" >&2; exit 1; }

mkdir -p "$dest"
dest=$(cd "$dest" && pwd -P)
libs="\"$lib/$main\""
[ -e "$lib/$framework" ] && libs="$libs \"$lib/$framework\""
printf 'INPUT(%s)\n' "$libs" >"$dest/libtensorflow.so"

# cgo takes quoted arguments, for folders with a space.
cflags="-O2 -g '-I$root/include'"
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
