#!/bin/sh
# Runs clang-tidy over the kernels as one instruction set compiles them; the other builds differ in vec.h alone.
# PYTHON names an interpreter that has nanobind.
set -eu

cd "$(dirname "$0")/../src/unrolled/kernels/cpu"
python=${PYTHON:-python3}
case $(uname -m) in
  x86_64 | amd64) build="-DUNROLLED_X86 -DUNROLLED_ISA=avx2 -DUNROLLED_VECTOR_BYTES=32 -mavx2 -mfma" ;;
  *) build="-DUNROLLED_ISA=portable -DUNROLLED_VECTOR_BYTES=16" ;;
esac
foreign="-isystem $("$python" -m nanobind --include_dir)
  -isystem $("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')"
# shellcheck disable=SC2086
printf '%s\n' ./*.cpp | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I{} \
  clang-tidy --quiet {} -- -std=c++20 -ffp-contract=off $build $foreign
