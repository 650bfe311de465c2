"""Language models without torch: the bits of the trained model, however a text comes."""

import numpy as np
import pytest
import torch

from unrolled import LanguageModel, runtime
from unrolled.errors import DataError
from unrolled.files.text import text_of
from unrolled.nn.functional import log_softmax

TEXT = "".join(
    f"{a} sees {b}, {'é' * (k % 3)}\n" for k in range(60) for a, b in (("Anna", "Bob"), ("Öl", "漢"))
)
SMALL = {"hidden": 7, "embedding_size": 5, "window": 16, "batch_size": 4, "epochs": 1}
KINDS = {
    "gru": {},
    "tied": {"tie": True},
    "lstm": {"cell": "lstm", "peephole": True, "layers": 2, "zoneout": 0.1, "learn_initial_state": True},
    "rnn": {"cell": "rnn", "nonlinearity": "relu"},
    "words": {"tokens": "words", "least_count": 1},
}


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return LanguageModel(**SMALL | KINDS[request.param]).fit(text_of(TEXT))


def test_every_distribution_has_the_bits_of_torch(model, tmp_path):
    tokens = model.codec.tokenizer.encode(TEXT[:200])
    with torch.no_grad():
        wanted = log_softmax(model.network(torch.from_numpy(tokens)[None])[0])[0].numpy()
    model.save(tmp_path / "run")
    made = runtime.load(tmp_path / "run")
    runtime.save(tmp_path / "model.unrolled", made)
    for one in (model.runtime(), made, runtime.load(tmp_path / "model.unrolled")):
        assert np.array_equal(one.stream().feed(TEXT[:200])["log_p"], wanted)
        assert one.fingerprint == made.fingerprint
    assert np.array_equal(made.predict(TEXT.splitlines()), model.predict(text_of(TEXT))["nats"].to_numpy())


def test_padding_and_other_rows_change_nothing(model):
    rows = model._rows(text_of(TEXT))[:9]
    wanted = [model.runtime().outputs(row) for row in rows]
    for fill in (0.0, float("nan")):
        for found, own in zip(model._raw(rows, fill), wanted, strict=True):
            assert np.array_equal(found, own)


def test_any_chunks_and_a_snapshot_between_give_the_same_bits(model):
    made, draw = model.runtime(), np.random.default_rng(0)
    tokens = model.codec.tokenizer.encode(TEXT)[:120]
    whole = made.stream().feed(tokens)["log_p"]
    for _ in range(20):
        stream, parts, at = made.stream(), [], 0
        while at < len(tokens):
            size = int(draw.integers(0, 9))
            parts.append(stream.feed(tokens[at : at + size])["log_p"])
            at += size
            if draw.random() < 0.2:
                stream = made.stream(snapshot=stream.snapshot())
        assert np.array_equal(np.concatenate(parts), whole)
    stream = made.stream()
    for one, wanted in zip(tokens.tolist(), whole, strict=True):
        assert np.array_equal(stream.step(one)["log_p"], wanted)


def test_a_thousand_chunkings_of_a_thousand_steps(model):
    made, draw = model.runtime(), np.random.default_rng(2)
    tokens = draw.integers(0, made.tokenizer.size, 1000)
    wanted = made.stream().feed(tokens)["log_p"][-1]
    for _ in range(1000):
        stream, at = made.stream(), 0
        while at < len(tokens):
            size = int(np.exp(draw.uniform(0, 7)))
            found = stream.feed(tokens[at : at + size])["log_p"][-1]
            at += size
        assert np.array_equal(found, wanted)


def test_rows_come_and_go_and_change_no_neighbour(model):
    made, draw = model.runtime(), np.random.default_rng(1)
    V = made.tokenizer.size
    stream, alone = made.stream(rows=2), [made.stream(), made.stream()]
    for _ in range(60):
        kind = draw.random()
        if kind < 0.2:
            stream.join()
            alone.append(made.stream())
        elif kind < 0.4 and len(alone) > 1:
            row = int(draw.integers(len(alone)))
            stream.leave([row])
            del alone[row]
        elif kind < 0.5:
            row = int(draw.integers(len(alone)))
            stream.reset([row])
            alone[row].reset()
        else:
            given = draw.integers(0, V, len(alone)).tolist()
            found = stream.step(given)["log_p"]
            for own, one, wanted in zip(alone, given, found, strict=True):
                assert np.array_equal(own.step(one)["log_p"], wanted)


def test_what_is_no_symbol_is_refused(model):
    stream = model.runtime().stream()
    for wrong in (-1, 10**9, 0.5, None):
        with pytest.raises(DataError, match="wanted a symbol or its number"):
            stream.step(wrong)
    with pytest.raises(DataError, match="symbols"):
        stream.step("Anna sees")
