"""docs/streaming.md is enough to read the files: what follows uses its rules, struct and json, and none of
our readers. Its sensor loop runs as it stands there."""

import json
import math
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unrolled import Forecaster, LanguageModel, runtime
from unrolled.files.text import text_of

PAGE = Path(__file__).parents[2] / "docs" / "streaming.md"
TEXT = "Anna sees Bob.\nBob hears Anna.\n" * 40
CODES = {"F32": "f", "F64": "d", "I64": "q", "U8": "B"}


def read(data):
    """(metadata, {name: nested lists})."""
    (n,) = struct.unpack_from("<Q", data)
    assert n % 8 == 0
    header = json.loads(data[8 : 8 + n].decode())
    numbers, arrays = data[8 + n :], {}
    metadata = header.pop("__metadata__")
    reached = 0
    for name, entry in sorted(header.items(), key=lambda one: one[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        assert begin == reached
        reached = end
        code = CODES[entry["dtype"]]
        assert end - begin == math.prod(entry["shape"]) * struct.calcsize(code)
        flat = struct.unpack(f"<{math.prod(entry['shape'])}{code}", numbers[begin:end])
        arrays[name] = nested(list(flat), entry["shape"])
    assert reached == len(numbers)
    return metadata, arrays


def nested(flat, shape):
    if len(shape) < 2:
        return flat
    step = len(flat) // shape[0]
    return [nested(flat[k * step : (k + 1) * step], shape[1:]) for k in range(shape[0])]


def product(rows, x):
    return [math.fsum(w * v for w, v in zip(row, x, strict=True)) for row in rows]


def sigma(v):
    return [1 / (1 + math.exp(-one)) for one in v]


def lstm(p, H, x, h, c, peephole):
    """One step, as the page has it."""
    parts = (product(p["weight_ih"], x), p["bias_ih"], product(p["weight_hh"], h), p["bias_hh"])
    a = [math.fsum(one) for one in zip(*parts, strict=True)]
    look = p["weight_peephole"] if peephole else [[0.0] * H] * 3
    looked = [[w * v for w, v in zip(row, c, strict=True)] for row in look]
    i = sigma(u + v for u, v in zip(a[:H], looked[0], strict=True))
    f = sigma(u + v for u, v in zip(a[H : 2 * H], looked[1], strict=True))
    g = [math.tanh(one) for one in a[2 * H : 3 * H]]
    c = [fk * ck + ik * gk for fk, ck, ik, gk in zip(f, c, i, g, strict=True)]
    o = sigma(u + w * v for u, w, v in zip(a[3 * H :], look[2], c, strict=True))
    h = [ok * math.tanh(ck) for ok, ck in zip(o, c, strict=True)]
    return product(p["weight_hr"], h) if "weight_hr" in p else h, c


@pytest.mark.parametrize("options", [{}, {"peephole": True, "learn_initial_state": True, "layers": 2}])
def test_a_reader_by_the_page_s_rules_gets_the_same_numbers(tmp_path, options):
    small = {"hidden": 7, "embedding_size": 5, "window": 16, "batch_size": 4, "epochs": 2}
    made = LanguageModel(**small, cell="lstm", **options).fit(text_of(TEXT)).runtime()
    runtime.save(tmp_path / "model", made)
    metadata, arrays = read((tmp_path / "model").read_bytes())
    assert json.loads(metadata["unrolled"]) == {"kind": "runtime 1", "about": {"task": "language"}}
    about = json.loads(bytes(arrays["about"]).decode())
    assert about["format"] == 2 and about["codec"]["tokens"] == "characters"
    symbols, layers = about["codec"]["tokenizer"]["symbols"], about["network"]["layer"]
    cell, options = layers["cell"]
    assert cell == "lstm" and options.keys() <= {"peephole"}
    H, count, state = layers["hidden_size"], layers.get("num_layers", 1), {}
    for k in range(count):
        for kind in ("h", "c"):
            learned = layers.get("learn_initial_state", False)
            state[f"layer{k}.forward.{kind}"] = arrays[f"layer.initial_{kind}_l{k}"] if learned else [0.0] * H
    stream = made.stream()
    for sign in "Anna s":
        x = arrays["embedding.weight"][symbols.index(sign)]
        for k in range(count):
            end = f"_l{k}"
            own = {name[6 : -len(end)]: a for name, a in arrays.items() if name.endswith(end)}
            h, c = f"layer{k}.forward.h", f"layer{k}.forward.c"
            state[h], state[c] = lstm(own, H, x, state[h], state[c], options.get("peephole", False))
            x = state[h]
        scores = [u + v for u, v in zip(product(arrays["head.weight"], x), arrays["head.bias"], strict=True)]
        total = math.log(math.fsum(math.exp(one) for one in scores))
        # Our kernels sum in float32: 7 to 14 terms of about 1.
        assert np.abs(np.array(scores) - total - stream.step(sign)["log_p"]).max() < 1e-5
    metadata, found = read(stream.snapshot(b"mine"))
    entry = json.loads(metadata["unrolled"])
    assert entry == {"kind": "snapshot 1", "model": made.fingerprint, "single": True}
    assert bytes(found.pop("notes")) == b"mine" and found.keys() == state.keys()
    for name, (row,) in found.items():
        assert np.abs(np.array(row) - state[name]).max() < 1e-5


def test_the_sensor_loop_of_the_page_goes_on_where_it_stopped(tmp_path):
    pytest.importorskip("unrolled.models.forecast")
    rows = [
        f"2024-01-{d:02}T{h:02}:00,{math.sin(h / 4) + d / 31:.4f}" for d in range(1, 15) for h in range(24)
    ]
    (tmp_path / "load.csv").write_text("time,load\n" + "\n".join(rows) + "\n")
    options = {"target": "load", "horizon": 4, "window": 24, "hidden": 5, "epochs": 1}
    runtime.save(tmp_path / "load.unrolled", Forecaster(**options).fit(tmp_path / "load.csv").runtime())
    (code,) = re.findall("```python sensor\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code.count("\n") <= 20

    def run(lines):
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=True,
            env=os.environ,
        ).stdout.splitlines()

    parts = run(rows[:30]) + run(rows[30:50])
    (tmp_path / "load.state").unlink()
    assert parts == run(rows[:50])
    model = runtime.load(tmp_path / "load.unrolled")
    steps = [{"time": time, "load": float(value)} for time, value in (row.split(",") for row in rows[:50])]
    wanted = model.stream().feed(steps)["forecast"][:, 0, 0]
    assert [line.split()[0] for line in parts] == [row.split(",")[0] for row in rows[:50]]
    assert np.array_equal(np.array([float(line.split()[1]) for line in parts]), wanted.astype(np.float64))
