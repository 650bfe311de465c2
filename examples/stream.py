"""A forecaster goes on where it was: train, stream value by value, save the state, go on from it.

The series: the yearly sunspot numbers that ship with the package. From `runtime.load` on nothing needs torch:
that half runs as it is on a machine with numpy and unrolled alone.
"""

import tempfile
from itertools import pairwise
from pathlib import Path

import polars as pl

from unrolled import Forecaster, runtime
from unrolled.data import sunspots

steps = pl.read_csv(sunspots()).to_dicts()  # {"year": 1700, "sunspots": 5}, …
forecaster = Forecaster(target="sunspots", output="gaussian", hidden=16, window=40, epochs=10).fit(sunspots())
with tempfile.TemporaryDirectory() as folder:
    runtime.save(Path(folder) / "sunspots.unrolled", forecaster.runtime())
    model = runtime.load(Path(folder) / "sunspots.unrolled")

stream = model.stream()
stream.feed(steps[:280])
snapshot = stream.snapshot()  # bytes, for a file or a database

again = model.stream(snapshot=snapshot)
for step, following in pairwise(steps[280:]):
    answer, other = stream.step(step), again.step(step)
    assert (answer["quantiles"] == other["quantiles"]).all(), "to the bit"
    low, high = answer["quantiles"][0, 0, [0, -1]]
    said = f"{answer['forecast'][0, 0]:5.1f}, {low:5.1f} to {high:5.1f}"
    print(f"{following['year']}: {said}; was {following['sunspots']}")
print("the next three years:", model.ahead(stream.state, 3)[0, :, 0].round(1))
