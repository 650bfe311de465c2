#!/bin/sh
# isa_symbols.sh ISA OBJECT…: fails where an object built for ISA offers a function that all builds share. A linker
# keeps one copy of such a function for all, which could be the one that this machine cannot run.
set -eu

isa=$1
shift
shared=$(nm -C "$@" | grep ' [WVu] ' | grep -v -e "unrolled::$isa::" -e "8unrolled.*[0-9]$isa[0-9]" -e 'DW\.ref\.' || true)
if [ -n "$shared" ]; then
  echo "outside the namespace unrolled::$isa: $shared" >&2
  exit 1
fi
