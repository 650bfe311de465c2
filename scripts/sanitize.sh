#!/bin/sh
# Runs the kernels under the sanitizers of GCC or Clang; CXX names the compiler.
#   sanitize.sh races       tests/kernels/cpu/races.cpp under ThreadSanitizer, every instruction set; needs no Python
#   sanitize.sh memory …    tests/kernels under AddressSanitizer and UndefinedBehaviorSanitizer; … goes to pytest,
#                           PYTHON names the interpreter, which must have the test extra, nanobind, CMake and Ninja
#   sanitize.sh short       races.cpp under all three, one instruction set, float32: half a minute on two cores
#   sanitize.sh             races and memory
# Exit status 77: this machine cannot build or run under a sanitizer.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cpu=$root/src/unrolled/kernels/cpu
compiler=${CXX:-c++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
memory=address,undefined

# ThreadSanitizer refuses to start where addresses are spread wider than it expects.
fixed=
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed="setarch $(uname -m) -R"; fi

require() { # SANITIZERS
  echo 'int main() {}' >"$work/empty.cpp"
  if ! "$compiler" "-fsanitize=$1" -o "$work/empty" "$work/empty.cpp" || ! $fixed "$work/empty"; then
    echo "sanitize.sh: $compiler -fsanitize=$1 does not work here" >&2
    exit 77
  fi
}

kernels() { # ISA VECTOR_BYTES FLAGS…: the arguments that compile kernels.cpp, as CMakeLists.txt has them
  isa=$1 bytes=$2
  shift 2
  echo "-DUNROLLED_ISA=$isa -DUNROLLED_VECTOR_BYTES=$bytes $* -c $cpu/kernels.cpp -o $isa.o"
}

all_kernels() {
  kernels portable 16
  case $(uname -m) in
    x86_64 | amd64)
      kernels avx2 32 -mavx2 -mfma
      kernels avx512 64 -mavx512f -mavx512dq -mfma
      ;;
  esac
}

units() { # all but the kernels that knows no Python
  grep -LE 'nanobind|"array\.h"' "$cpu"/*.cpp | grep -v '/kernels\.cpp$'
}

build_races() { # SANITIZERS FLAGS…, compilations of the kernels on standard input: makes ./races
  flags="-std=c++20 -g1 -ffp-contract=off -fsanitize=$1 -fno-sanitize-recover=all -I$cpu"
  shift
  {
    cat
    for unit in $(units) "$root/tests/kernels/cpu/races.cpp"; do
      echo "-c $unit -o $(basename "$unit" .cpp).o"
    done
  } | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I{} sh -c "$compiler $flags $* {}"
  # shellcheck disable=SC2086
  "$compiler" $flags ./*.o -pthread -o races
}

races() {
  require thread
  mkdir "$work/races" && cd "$work/races"
  x86=
  if all_kernels | grep -q avx2; then x86=-DUNROLLED_X86; fi
  all_kernels | build_races thread -O1 $x86
  $fixed ./races
}

short() {
  for sanitizers in thread $memory; do
    require $sanitizers
    mkdir "$work/$sanitizers" && cd "$work/$sanitizers"
    optimised=-O1
    if [ $sanitizers = $memory ]; then optimised=-O0; fi # whose checks the optimiser takes a minute over
    kernels portable 16 -march=native | build_races $sanitizers $optimised
    $fixed ./races short
    echo "$sanitizers: clean"
  done
}

memory() {
  require $memory
  python=$(command -v "${PYTHON:-python3}")
  cmake -S "$root" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=None -DPython_EXECUTABLE="$python" \
    -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS="-O1 -g1 -fsanitize=$memory -fno-sanitize-recover=all -fno-omit-frame-pointer"
  cmake --build "$work/build"

  # A copy of the package, so that the library in the source tree stays as it is.
  mkdir "$work/site"
  cp -R "$root/src/unrolled" "$work/site/"
  rm -f "$work"/site/unrolled/kernels/_cpu*.so
  cmake --install "$work/build" --prefix "$work/site"

  # Python itself is not instrumented: the runtime must be there first, and what Python keeps at exit is no leak.
  # What a sanitizer finds ends the process: pytest must not hold its report back.
  runtime="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libstdc++.so)"
  cd "$root"
  LD_PRELOAD=$runtime ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONPATH="$work/site" \
    "$python" -m pytest -p no:cacheprovider --capture=sys tests/kernels --deselect tests/kernels/cpu/test_sanitize.py "$@"
}

case ${1:-all} in
  races | short) "$1" ;;
  memory)
    shift
    memory "$@"
    ;;
  all)
    (races)
    memory
    ;;
  *)
    sed -n '2,8s/^# //p' "$0" >&2
    exit 2
    ;;
esac
