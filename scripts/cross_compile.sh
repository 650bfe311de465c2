#!/bin/sh
# Compiles the portable kernels for 64-bit ARM and checks that their vectors became NEON's; runs nothing.
# CXX names the compiler, as Debian's g++-aarch64-linux-gnu has it.
set -eu

cpu=$(cd "$(dirname "$0")/../src/unrolled/kernels/cpu" && pwd)
compiler=${CXX:-aarch64-linux-gnu-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict="-std=c++20 -O3 -Wall -Wextra -Werror -fno-fast-math -ffp-contract=off -I$cpu"

for unit in ctc fingerprint isa memory planner pool recurrence tree; do
  # shellcheck disable=SC2086
  "$compiler" $strict -c "$cpu/$unit.cpp" -o "$work/$unit.o"
done
# shellcheck disable=SC2086
"$compiler" $strict -DUNROLLED_ISA=portable -DUNROLLED_VECTOR_BYTES=16 -S "$cpu/kernels.cpp" -o "$work/kernels.s"

fused=$(grep -cE '\sfmla\s+v[0-9]+\.(4s|2d)' "$work/kernels.s")
calls=$(grep -cE '\sbl\s+fmaf?$' "$work/kernels.s" || true)
echo "fused multiply-adds of whole vectors: $fused; calls of fma: $calls"
[ "$fused" -gt 0 ] && [ "$calls" = 0 ]
