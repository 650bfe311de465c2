"""How long a model takes that hears live, chunk by chunk, on one core.

python benchmarks/live_sound.py RUN [--ms 10] [--rate RATE] [--seconds 30]

RUN is a run folder or an exported file. Noise comes in chunks, as from a microphone at RATE (that of the
model); what is told of it is found as `unrolled stream` finds it. Time on the wall counts what else the
machine does, processor time does not. No torch.
"""

import argparse
import time

import numpy as np

from unrolled import runtime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--ms", type=float, default=10)
    parser.add_argument("--rate", type=int)
    parser.add_argument("--seconds", type=float, default=30)
    asked = parser.parse_args()
    listener = runtime.Listener(runtime.load(asked.run), asked.rate)
    size = round((asked.rate or listener.rate_hz) * asked.ms / 1000)
    draw = np.random.default_rng(0)
    times = []
    for _ in range(round(asked.seconds * 1000 / asked.ms)):
        chunk = draw.normal(0, 3000, size).astype(np.int16)
        wall, processor = time.perf_counter(), time.process_time()
        listener.hear(chunk)
        times.append((time.perf_counter() - wall, time.process_time() - processor))
    for name, each in zip(("wall", "processor"), 1000 * np.array(times[len(times) // 10 :]).T, strict=True):
        median, late = np.percentile(each, (50, 99))
        print(
            f"{asked.ms:g} ms of sound, {name} time: median {median:.2f} ms, 99 of 100 within {late:.2f} ms"
        )


if __name__ == "__main__":
    main()
