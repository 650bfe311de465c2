#!/usr/bin/env bash
# The peers of benchmarks/peers.py from nothing: an environment for each group of them, then all of them on a short
# series, and the check that none reads what it is to forecast. Fails where a peer is missing.
#
#   scripts/acceptance/peers.sh ENVIRONMENTS [other arguments of benchmarks/peers.py, paths from the root]
#
# ENVIRONMENTS is a folder that stays: `benchmarks/peers.py --environments` uses it. unrolled itself is that of the
# `python` that is active.
set -euo pipefail
environments=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
models=benchmarks/peer_models
for name in statistical recurrent; do
  python3 -m venv "$environments/$name"
done
"$environments/statistical/bin/pip" install -q -r "$models/statistical.txt"
"$environments/recurrent/bin/pip" install -q -c constraints.txt -r "$models/recurrent.txt"
[ $# -gt 0 ] || set -- nile --seeds 0 --leaks
python benchmarks/peers.py --environments "$environments" --work "$environments/work" "$@"
