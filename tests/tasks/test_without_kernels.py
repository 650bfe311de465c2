"""Where the compiled kernels are missing, tasks train and answer through the references."""

import subprocess
import sys

CODE = """
import math, sys, warnings
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "unrolled.kernels._cpu":
            raise ImportError("not built here")
sys.meta_path.insert(0, Missing())
warnings.simplefilter("ignore")
import numpy as np
import polars as pl
from unrolled import Forecaster, LanguageModel, Tagger
from unrolled.errors import RunError
from unrolled.files.samples import Sound
from unrolled.files.text import text_of
from unrolled.files.wav import Audio, log_mel
frame = pl.DataFrame({"t": range(60), "y": [math.sin(k / 5) for k in range(60)]})
small = {"hidden": 3, "epochs": 1}
options = {"target": "y", "horizon": 2, "window": 9, "output": "gaussian"}
forecaster = Forecaster(**options, **small).fit(frame, out=sys.argv[1])
print(forecaster.predict().height)
model = LanguageModel(embedding_size=3, window=8, batch_size=2, **small).fit(text_of("ab cd. " * 60))
print(len(model.generate(9)))
rows = [(f"s{n}", w, t) for n in range(20) for w, t in (("mr", "O"), ("x", "B-P"), ("y", "I-P"))]
sentences = pl.DataFrame(rows, schema=["id", "word", "tag"], orient="row")
for crf in (False, True):
    print(Tagger(crf=crf, embedding_size=3, **small).fit(sentences).predict().height)
print(log_mel(Sound(8000, np.ones(400)), Audio()).shape)
try:
    model.stream()
except RunError as error:
    print(error)
"""


def test_tasks_train_and_answer(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "run")], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told[:5] == ["2", "9", "6", "6", "(3, 40)"]
    assert "compiled kernels are missing (not built here)" in told[5]
    assert (tmp_path / "run" / "runtime.json").is_file()
