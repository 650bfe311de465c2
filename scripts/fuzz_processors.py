"""Compares what models of every task answer, and many random numbers of what answers are made by, on this
processor and on ones that have less: see tests/cli/processors.py. A short form is in
tests/cli/test_processors.py.

    python scripts/fuzz_processors.py [N]    N times as many numbers as the suite compares (200)
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cli.processors import LOWERED, answers, lowered, numbers, train
from unrolled.kernels import _cpu


def main(count: int) -> int:
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        train(Path(name))
        wanted = [answers(Path(name)), *map(numbers, range(count))]
        for isa in LOWERED:
            if isa not in _cpu.isas():
                continue
            found = json.loads(lowered(isa, "-m", "tests.cli.processors", name, str(count)))
            for own, other in zip(wanted, found, strict=True):
                for key, value in own.items():
                    if other[key] != value:
                        wrong += 1
                        print(f"{isa}: {key} has other bits")
            print(f"{isa}: {len(wanted[0])} models and {count * len(wanted[-1])} arrays compared")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
