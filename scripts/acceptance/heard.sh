#!/usr/bin/env bash
# Models that hear, on recordings that a speech synthesiser says: commands at other loudness, through MP3 and in noise,
# words and where they begin and end, and recordings of 60 and 600 seconds; then a live stream of samples. Installs
# espeak-ng and sox by apt. Prints the figures, which docs/results.md compares.
#
#   scripts/acceptance/heard.sh FOLDER [SEEDS]     FOLDER stays: what was made there is made again
#
# unrolled itself is that of the `python` that is active; it needs the extra [audio].
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
seeds=${2:-1}
cd "$(dirname "$0")/../.."
apt-get update -qq
apt-get install -y -qq espeak-ng sox libsox-fmt-mp3 >"$folder/apt.log"
python benchmarks/spoken.py "$folder"
python benchmarks/heard.py "$folder" --seeds "$seeds"
python benchmarks/heard_words.py "$folder" --seeds "$seeds"
rm -rf "$folder/live"
python -m unrolled train transcribe "$folder/words/train.csv" --tokens words --bidirectional off --epochs 20 \
  --test-files "$folder/words/unseen.csv" --out "$folder/live" >"$folder/live.log"
python -m unrolled verify "$folder/live" "$folder/words/unseen.csv"
sox "$folder/words/unseen-0.wav" -r 44100 -t raw -e signed -b 16 - | python -m unrolled stream "$folder/live" --pcm s16le:44100
