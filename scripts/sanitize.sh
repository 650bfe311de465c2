#!/bin/sh
# Builds the kernels with AddressSanitizer and UndefinedBehaviorSanitizer and runs their tests under both.
# PYTHON names the interpreter, which must have the test extra, nanobind, CMake and Ninja; arguments go to pytest.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake -S "$root" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DPython_EXECUTABLE="$(command -v "$python")" \
  -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
cmake --build "$work/build"

# A copy of the package, so that the library in the source tree stays as it is.
mkdir "$work/site"
cp -R "$root/src/unrolled" "$work/site/"
rm -f "$work"/site/unrolled/kernels/_cpu*.so
cmake --install "$work/build" --prefix "$work/site"

# Python itself is not instrumented: the runtime must be there first, and what Python keeps at exit is no leak.
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$work/build/CMakeCache.txt")
runtime="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libstdc++.so)"
cd "$root"
LD_PRELOAD=$runtime ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONPATH="$work/site" \
  "$python" -m pytest -p no:cacheprovider tests/kernels "$@"
