"""Damages saved models and snapshots at random: each is refused by one line, or is a model that still runs.

    python scripts/fuzz_saved.py --cases 100000 --seed 1
    python scripts/fuzz_saved.py --kinds bpe --forms snapshot
    python scripts/fuzz_saved.py --forms flipped-folder flipped-file flipped-snapshot

One flipped bit is always refused: the checksums tell it. All other damage is given the checksums that it
needs to pass, as somebody would who means harm.

Nothing takes more than a second, nor more memory than twice the files and SPARE. A case is told by kind,
form, seed and number, so that a failure can be repeated. A short form is in tests/streaming/test_fuzz.py. A
model is added as a row of KINDS: what is trained, and a chunk that its stream takes.
"""

import argparse
import collections
import json
import random
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unrolled import (
    Captioner,
    Classifier,
    Forecaster,
    LanguageModel,
    Regressor,
    Tagger,
    Transcriber,
    Translator,
    runtime,
)
from unrolled.cells import CELLS
from unrolled.errors import ConfigError, UnrolledError
from unrolled.files import checksums, safetensors
from unrolled.files.captioned import Captioned
from unrolled.files.text import text_of
from unrolled.models import saved as saves
from unrolled.models.model import Model

SECONDS = 1.0
AT = safetensors.LENGTH_BYTES + len(safetensors.HEAD)  # where a checksum begins
SPARE = 4 << 20  # bytes; what a header of a few KB and its errors take
SMALL = {"hidden": 6, "epochs": 1, "batch_size": 4}
TEXT = "".join(
    f"{a} sees {b}, {'é' * (k % 3)}\n" for k in range(40) for a, b in (("Anna", "Bob"), ("Öl", "漢"))
)


class Kind(NamedTuple):
    """`train()` gives a small model, `chunk` is what its stream takes."""

    train: Callable[[], Any]
    chunk: Any


def language(**options: Any) -> Kind:
    small = SMALL | {"embedding_size": 5, "window": 16} | options
    return Kind(lambda: LanguageModel(**small).fit(text_of(TEXT)), TEXT[:40])


def moves() -> pl.DataFrame:
    """Thirty sequences of two features, each with an answer of its own, a number and a tag in every row."""
    draw = random.Random(0)
    rows = [
        (f"s{n:02}", t, n % 2 + draw.random(), draw.random() - 0.5, "ab"[n % 2], n / 3, "uv"[t % 2])
        for n in range(30)
        for t in range(1 + n % 7)
    ]
    return pl.DataFrame(rows, schema=["id", "step", "x", "y", "label", "value", "tag"], orient="row")


def table(estimator: type[Any], but: list[str], **options: Any) -> Kind:
    chunk = np.array([[0.5, 0.1], [1.5, -0.2]])
    return Kind(lambda: estimator(**SMALL | options).fit(moves().drop(but)), chunk)


def words() -> pl.DataFrame:
    """Thirty sentences, their tags as entities have them."""
    rows = [
        (f"s{n:02}", ("Anna", "sees", "Öl")[(n + t) % 3], ("B-X", "I-X", "O")[min(t, 2)])
        for n in range(30)
        for t in range(1 + n % 5)
    ]
    return pl.DataFrame(rows, schema=["id", "word", "tag"], orient="row")


def words_tagger(**options: Any) -> Kind:
    small = SMALL | {"embedding_size": 5, "character_size": 3, "character_hidden": 4} | options
    return Kind(lambda: Tagger(target="tag", id="id", **small).fit(words()), ["Anna", "sees"])


def series() -> pl.DataFrame:
    return pl.DataFrame({"step": range(120), "y": [float(t % 7) for t in range(120)]})


def forecaster(**options: Any) -> Kind:
    small = SMALL | {"target": "y", "window": 14, "horizon": 2, "season": 3} | options
    return Kind(lambda: Forecaster(**small).fit(series()), [1.0, 2.0])


def translator(**options: Any) -> Kind:
    """From letters to the letters backward."""
    words = ["".join(random.Random(n).choices("abcdé", k=2 + n % 4)) for n in range(40)]
    small = SMALL | {"embedding_size": 5, "target_embedding_size": 4, "target_tokens": "characters"} | options
    pairs = [(word, word[::-1]) for word in words]
    return Kind(lambda: Translator(source_tokens="characters", **small).fit(pairs), "abc")


def captioner(chunk: Any, frame: pl.DataFrame | Captioned, **options: Any) -> Kind:
    small = SMALL | {"code_size": 5, "filters": 2, "stages": 1, "target_embedding_size": 4} | options
    return Kind(lambda: Captioner(**small).fit(frame), chunk)


def blots() -> Captioned:
    """Pictures of 4 by 5 pixels."""
    draw = np.random.default_rng(0)
    pixels = tuple(draw.integers(0, 256, (4, 5, 3)).astype(np.uint8) for _ in range(30))
    answers = tuple((("red", "dark blue")[int(one[0, 0, 0] > 99)],) for one in pixels)
    names = tuple(str(n) for n in range(30))
    return Captioned(pixels, (), answers, names, names)


def points() -> pl.DataFrame:
    rows = [(n / 7, n % 5, "ab"[n % 2], f"{'high' if n > 20 else 'low'} {'ab'[n % 2]}") for n in range(40)]
    return pl.DataFrame(rows, schema=["u", "v", "class", "caption"], orient="row")


def strokes() -> pl.DataFrame:
    rows = [(f"s{n}", t, "ab"[n % 2], t * (1 + n % 2), t / 3) for n in range(30) for t in range(2 + n % 3)]
    return pl.DataFrame(rows, schema=["id", "step", "class", "x", "y"], orient="row")


KINDS = {
    "characters": language(),
    "words": language(tokens="words", least_count=1, tie=True),
    "bpe": language(tokens="bpe", most_symbols=280),
    "peepholes": language(cell="lstm", peephole=True, layers=2, zoneout=0.1, learn_initial_state=True),
    "norm": language(cell="lstm", layer_norm=True, coupled_input_forget=True),
    "projected": language(cell="lstm", projection=3),
    "blocks": language(cell="lstm", cells_per_block=2, peephole=True, layer_norm=True),
    **{cell: language(cell=cell) for cell in CELLS},
    "classify": table(Classifier, ["value", "tag"], bidirectional=False),
    "labels": table(Classifier, ["value", "tag"], multi_label=True, bidirectional=False),
    "ranks": table(Classifier, ["value", "tag"], ordinal=True, class_order=("a", "b"), bidirectional=False),
    "both": table(Classifier, ["value", "tag"], bidirectional=True, pooling="mean"),
    "regress": table(Regressor, ["label", "tag"], target="value", bidirectional=False),
    "tag": table(Tagger, ["value", "label"]),
    "tag-words": words_tagger(crf=True, bidirectional=False),
    "transcribe": table(Transcriber, ["value", "tag"], subsample=2, layers=1, bidirectional=False),
    "hybrid": table(Transcriber, ["value", "tag"], layers=1, hmm=True, states=1),
    "translate": translator(attention="additive", cell="lstm", decoder_cell="gru"),
    "translate-plain": translator(attention="none", target_tokens="symbols", best=2),
    "caption": captioner(blots().inputs[0], blots()),
    "caption-rows": captioner(blots().inputs[0], blots(), encoder="rows", attention="dot", condition="state"),
    "caption-points": captioner({"u": 1, "v": 2.5, "class": "a"}, points(), condition="input"),
    "caption-strokes": captioner("a", strokes(), id="id", time="step", given="class", target=("x", "y")),
    "forecast": forecaster(),
    "forecast-recursive": forecaster(strategy="recursive"),
}


PARTS = (saves.DESCRIPTION, saves.MODEL, saves.SCALERS)


class Saved(NamedTuple):
    """The files of a run folder by name, the exported file, a snapshot, and who reads it."""

    folder: dict[str, bytes]
    file: bytes
    snapshot: bytes | None
    model: Model
    chunk: Any


def sound(kind: str) -> Saved:
    """A small model of that kind, as it is saved."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        KINDS[kind].train().save(folder / "run")
        model = runtime.load(folder / "run")
        runtime.save(folder / "model", model)
        files = {name: (folder / "run" / name).read_bytes() for name in PARTS}
        whole = (folder / "model").read_bytes()
    try:
        stream = model.stream()
        stream.feed(KINDS[kind].chunk)
        snapshot = stream.snapshot()
    except ConfigError:  # it reads backward, or whole inputs
        snapshot = None
    return Saved(files, whole, snapshot, model, KINDS[kind].chunk)


def flip(data: bytes, draw: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 20])):
        made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def cut(data: bytes, draw: random.Random) -> bytes:
    a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return draw.choice([data[:a], data[a:], data[:a] + data[b:]])


def insert(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    few = [
        b"\0" * 8,
        b"\xff" * 8,
        b"[" * 2000,
        b'{"a":' * 2000,
        b'"',
        b"9" * 5000,
        b"1e999",
        b"NaN",
        b"\\ud800",
    ]
    return data[:at] + draw.choice([*few, draw.randbytes(9), data[:300]]) + data[at:]


def swap(data: bytes, draw: random.Random) -> bytes:
    a, b, c = sorted(draw.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def claim(data: bytes, draw: random.Random) -> bytes:
    """Another length of the header."""
    size = draw.choice([0, 1, 8, len(data), 2**31, 2**63, 2**64 - 1, draw.randrange(len(data) + 1)])
    return size.to_bytes(8, "little") + data[8:]


ODD: list[Any] = [
    *(0, 1, -1, 2, 3, 7, 2**16, 2**31, 2**63, 10**30, 0.5, -1e308, 1e-320, True, None, "", "x", [], {}, [0]),
    *(
        "../../../etc/passwd",
        "/dev/zero",
        "codec.",
        "about",
        "lstm",
        "gru",
        {"reset_after": False},
        {"peephole": True, "cells_per_block": 2},
        "F64",
        "BOOL",
    ),
    *(
        [[[[[[]]]]]],
        {"a": {"b": {}}},
        list(range(50)),
        "\ud800",
        "a" * 5000,
        [2**40, 2**40],
        [-1, 8],
        ["h", "h"],
    ),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [way for key, one in inside for way in places(one, (*path, key))]


def alter(value: Any, draw: random.Random) -> None:
    """One value inside is another, is gone, stands elsewhere too, or is deeper."""
    *way, last = draw.choice(places(value) or [()])
    owner = value
    for key in way:
        owner = owner[key]
    kind = draw.randrange(6)
    if kind == 0 or not isinstance(owner, dict | list):
        del owner[last]
    elif kind == 1:
        other = draw.choice(places(value))
        found = value
        for key in other:
            found = found[key]
        owner[last] = json.loads(json.dumps(found))
    elif kind == 2 and isinstance(owner[last], int | float):
        owner[last] += draw.choice([-1, 1, 0.5, 2**16])
    elif kind == 3:
        for _ in range(draw.choice([1, 30, 400])):
            owner[last] = [owner[last]]
    elif kind == 4 and isinstance(owner, dict):
        owner[draw.choice(["../x", "weight_hr", "gain_ih", "a\0b", "\ud800"])] = owner[last]
    else:
        owner[last] = draw.choice(ODD)


def described(data: bytes, draw: random.Random) -> bytes:
    """The description, or the header of arrays, altered where it means something."""
    is_json = data[:1] == b"{"
    size = 0 if is_json else int.from_bytes(data[:8], "little")
    header = json.loads(data if is_json else data[8 : 8 + size])
    own = None if is_json else header.get(safetensors.METADATA)
    if isinstance(own, dict) and draw.random() < 0.3:
        about = json.loads(own["unrolled"])
        alter(about, draw)
        own["unrolled"] = json.dumps(about)
    else:
        for _ in range(draw.choice([1, 1, 2, 3])):
            alter(header, draw)
    if isinstance(own, dict):  # where a checksum is looked for
        header.pop(safetensors.METADATA, None)
        header = {safetensors.METADATA: {safetensors.CHECKSUM: "0" * safetensors.DIGITS} | own} | header
    made = json.dumps(header, separators=(",", ":")).encode()
    if draw.random() < 0.05:  # a name twice
        made = made[:-1] + b"," + made[1:]
    return made if is_json else len(made).to_bytes(8, "little") + made + data[8 + size :]


def odd_numbers(data: bytes, draw: random.Random) -> bytes:
    """Some numbers are NaN, infinite, huge or tiny."""
    made, at = bytearray(data), len(data) - 4 * draw.randrange(1, max(2, len(data) // 8))
    number = draw.choice([np.nan, np.inf, -np.inf, 3e38, 1e-45, -0.0])
    made[at : at + 4] = np.float32(number).tobytes()
    return bytes(made)


DAMAGES = [flip, cut, insert, swap, claim, odd_numbers, *[described] * 6]


def damaged(data: bytes, draw: random.Random) -> bytes:
    """`data` after one damage or some."""
    for _ in range(draw.choice([1, 1, 1, 1, 1, 2, 3])):
        try:
            data = draw.choice(DAMAGES)(data, draw)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            continue  # too damaged for this one
    return data


def sealed(data: bytes) -> bytes:
    """A safetensors file with the checksum of its content; anything else as it is."""
    end = AT + safetensors.DIGITS
    if data[safetensors.LENGTH_BYTES : AT] != safetensors.HEAD or len(data) < end:
        return data
    return data[:AT] + checksums.of(data[:AT], data[end:]).encode() + data[end:]


def folder_case(saved: Saved, place: Path, draw: random.Random) -> tuple[int, Callable[[], Model]]:
    files = dict(saved.folder)
    for name in draw.sample(list(files), draw.choice([1, 1, 2])):
        files[name] = sealed(damaged(files[name], draw))
    if draw.random() < 0.05:
        a, b = draw.sample(list(files), 2)
        files[a], files[b] = files[b], files[a]
    for name in files:
        now, before = (checksums.of(some[name]).encode() for some in (files, saved.folder))
        files[saves.MODEL] = files[saves.MODEL].replace(before, now)
    files[saves.MODEL] = sealed(files[saves.MODEL])
    return _folder(files, place)


def _folder(files: Mapping[str, bytes], place: Path) -> tuple[int, Callable[[], Model]]:
    for name, data in files.items():
        (place / name).write_bytes(data)
    return sum(map(len, files.values())), lambda: runtime.load(place)


def file_case(saved: Saved, place: Path, draw: random.Random) -> tuple[int, Callable[[], Model]]:
    return _file(sealed(damaged(saved.file, draw)), place)


def _file(data: bytes, place: Path) -> tuple[int, Callable[[], Model]]:
    (place / "model").write_bytes(data)
    return len(data), lambda: runtime.load(place / "model")


def snapshot_case(saved: Saved, place: Path, draw: random.Random) -> tuple[int, Callable[[], Model]]:
    assert saved.snapshot is not None
    return _snapshot(saved, sealed(damaged(saved.snapshot, draw)))


def _snapshot(saved: Saved, data: bytes) -> tuple[int, Callable[[], Model]]:
    def read() -> Model:
        stream = saved.model.stream(snapshot=data)
        if stream.single:
            stream.feed(saved.chunk)
        return saved.model

    return len(data), read


def one_bit(data: bytes, draw: random.Random) -> bytes:
    made = bytearray(data)
    made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def flipped_folder(saved: Saved, place: Path, draw: random.Random) -> tuple[int, Callable[[], Model]]:
    name = draw.choice(list(saved.folder))
    return _folder({**saved.folder, name: one_bit(saved.folder[name], draw)}, place)


def flipped_file(saved: Saved, place: Path, draw: random.Random) -> tuple[int, Callable[[], Model]]:
    return _file(one_bit(saved.file, draw), place)


def flipped_snapshot(saved: Saved, place: Path, draw: random.Random) -> tuple[int, Callable[[], Model]]:
    assert saved.snapshot is not None
    return _snapshot(saved, one_bit(saved.snapshot, draw))


FORMS = {
    "folder": folder_case,
    "file": file_case,
    "snapshot": snapshot_case,
    "flipped-folder": flipped_folder,
    "flipped-file": flipped_file,
    "flipped-snapshot": flipped_snapshot,
}


def use(model: Model, chunk: Any) -> None:
    """What a model that was read is asked for."""
    try:
        model.stream().feed(chunk)
    except ConfigError:
        model.predict([chunk])
    assert model.fingerprint


def tried(saved: Saved, form: str, place: Path, draw: random.Random) -> str:
    """ "read", or the line by which it was refused. AssertionError for all that must not be."""
    size, read = FORMS[form](saved, place, draw)
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        use(read(), saved.chunk)
        said = "read"
    except UnrolledError as error:
        said = str(error)
    finally:
        seconds, (_, peak) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert said and "\n" not in said, f"not one line: {said!r}"
    assert not (form.startswith("flipped") and said == "read"), "a flipped bit was not told"
    assert seconds < SECONDS, f"{seconds:.1f} s: {said}"
    assert peak <= 2 * size + SPARE, f"{peak:,} bytes for files of {size:,}: {said}"
    return said


def fuzz(
    kind: str, saved: Saved, form: str, cases: int, seed: int, first: int = 0
) -> collections.Counter[str]:
    """How often each was said, by its first words."""
    said: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numbers beyond those of floats
        place = Path(folder, "damaged")
        if form.endswith("snapshot") and saved.snapshot is None:
            return said
        place.mkdir()
        for n in range(first, first + cases):
            try:
                found = tried(saved, form, place, random.Random(f"{kind} {form} {seed} {n}"))
            except Exception as error:
                raise AssertionError(f"--kinds {kind} --forms {form} --seed {seed} --first {n}") from error
            said[" ".join(found.replace(folder, "").split()[:12])] += 1
    return said


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000, help="of all kinds and forms together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--forms", nargs="*", default=list(FORMS), choices=list(FORMS))
    arguments = parser.parse_args()
    each = -(-arguments.cases // len(arguments.kinds) // len(arguments.forms))
    total: collections.Counter[str] = collections.Counter()
    for kind in arguments.kinds:
        saved = sound(kind)
        for form in arguments.forms:
            begun = time.monotonic()
            said = fuzz(kind, saved, form, each, arguments.seed, arguments.first)
            total += said
            print(
                f"{kind} {form}: {sum(said.values())} cases, {said['read']} read, {len(said)} answers, "
                f"{time.monotonic() - begun:.0f} s",
                flush=True,
            )
    print(f"{sum(total.values())} cases, no crash; the commonest answers:")
    for what, count in total.most_common(12):
        print(f"{count:8} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
