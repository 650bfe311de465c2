"""How sequences become the network's inputs: from training data alone, and what is missing said."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from unrolled.codecs import inputs
from unrolled.codecs.inputs import NumberInputs, TextInputs, restore_inputs
from unrolled.errors import ConfigError, DataError
from unrolled.files.arrays import from_arrays
from unrolled.files.examples import Sequences
from unrolled.tasks.config import from_sections
from unrolled.tasks.inputs import PooledModelConfig, SequencesConfig, fit_inputs, network_of, read, remarks
from unrolled.tasks.pooled import PooledConfig
from unrolled.tasks.sources import files_of

NAN = np.nan


def numbers(*arrays):
    return from_arrays([np.array(x) for x in arrays])


def fitted(data, **options):
    model = {name: options.pop(name) for name in ("vectors", "embedding_size") if name in options}
    return fit_inputs(SequencesConfig(**options), PooledModelConfig(**model), data)


def restored(codec):
    return restore_inputs(json.loads(json.dumps(codec.about())), codec.arrays())


@pytest.mark.parametrize("chunk", [1, 7, 10**6])
def test_features_are_scaled_by_mean_and_deviation_of_what_is_known(monkeypatch, chunk):
    monkeypatch.setattr(inputs, "CHUNK", chunk)
    draw = np.random.default_rng(0)
    parts = [draw.normal((5, -2e6, 0.1), (3, 1e5, 1e-9), (T, 3)) for T in (4, 1, 9)]
    parts[2][3, 1] = NAN
    codec = fitted(numbers(*parts))
    pooled = np.concatenate(parts)
    # Two ways to add fourteen numbers.
    np.testing.assert_allclose(codec.scaler.mean, np.nanmean(pooled, 0), rtol=1e-14)
    np.testing.assert_allclose(codec.scaler.scale, np.nanstd(pooled, 0), rtol=1e-13)
    assert codec.flagged.tolist() == [False, True, False] and codec.width == 4


def test_missing_values_are_the_last_known_ones_or_the_mean_and_flagged():
    codec = fitted(numbers([[1.0, NAN], [3.0, 8.0], [5.0, 4.0]]))
    x = np.array([[NAN, NAN], [3.0, NAN], [NAN, 4.0], [NAN, NAN]])
    found = codec.encode(x, "here")
    z = (4.0 - 6.0) / 2.0
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0, 1], [0, 0, 1], [0, z, 0], [0, z, 1]], "only y was missing in training"


def test_what_is_missing_or_constant_in_columns_is_said():
    data = replace(
        numbers([[1.0, NAN, 7.0], [3.0, 8.0, 7.0], [NAN, NAN, 7.0]], [[2.0, 1.0, NAN]]), named=True
    )
    codec = fitted(data)
    assert remarks(codec, data) == [
        "missing: 50.0% of 'x1', 25.0% of 'x0', 25.0% of 'x2'; the value before is read there, beside a mark",
        "the same at every step of the training part, so of no use: 'x2'",
    ]
    assert remarks(codec, replace(data, named=False)) == []  # rows of images, whose edges are alike
    rates = replace(numbers([[1.0, 5.0], *[[float(t), NAN] for t in range(8)], [NAN, 6.0]]), named=True)
    assert remarks(fitted(rates), rates) == [
        "at a lower rate than the rows: 20.0% of 'x1'; the last value is carried on, beside a mark of the "
        "rows without one",
        "missing: 10.0% of 'x0'; the value before is read there, beside a mark",
    ]
    whole = replace(numbers([[1.0], [2.0]]), named=True)
    assert remarks(fitted(whole), whole) == []
    many = replace(numbers([[NAN, 1.0] * 7, [0.0] * 14]), named=True)
    assert "'x8', 2 columns more; the value" in remarks(fitted(many), many)[0]


def test_of_its_own_scale_a_sequence_has_mean_0_and_deviation_1():
    data = numbers([[1.0, 5.0], [3.0, NAN], [8.0, 9.0]], [[400.0, 5.0], [400.0, 5.0], [400.0, 6.0]])
    codec = fit_inputs(SequencesConfig(), PooledModelConfig(scale="sequence"), data)
    assert codec.scaler.mean.tolist() == fitted(data).scaler.mean.tolist()
    first, second = (codec.scaled(x, "here") for x in data.inputs)
    # Two ways to scale, twice by numbers of size 200, and once.
    np.testing.assert_allclose(first[:, 0], np.array([-3, -1, 4]) / (26 / 3) ** 0.5)
    np.testing.assert_allclose(first[:, 1], [-1, NAN, 1])
    assert np.abs(second[:, 0]).max() < 1e-12, "what is constant is 0, but for rounding"
    again = restored(codec)
    assert again.by_sequence and np.array_equal(again.scaled(data.inputs[0], ""), first, equal_nan=True)
    assert codec.summaries(data).tolist() == fitted(data).summaries(data).tolist(), "baselines see the level"
    nearly = codec.scaled(np.array([[3.0, 5.0], [3.0 + 1e-9, 5.0]]), "here")
    assert np.abs(nearly).max() < 1e-5, "what hardly varies is not blown up"
    with pytest.raises(ConfigError, match=r"^scale='sequence' is for numbers, and these data are texts"):
        fit_inputs(SequencesConfig(), PooledModelConfig(scale="sequence"), from_arrays(["a b"]))


def test_a_constant_feature_is_zero_and_another_value_of_it_its_distance():
    codec = fitted(numbers(np.full((3, 1), 0.1), np.full((4, 1), 0.1)))
    assert codec.encode(np.array([[0.1], [1.1]]), "here").tolist() == [[0.0], [1.0]]


def test_a_feature_without_values_is_refused():
    with pytest.raises(DataError, match=r"^column 'x1' holds no value in the training part; leave it out"):
        fitted(numbers([[1.0, NAN]], [[2.0, NAN]]))


def test_values_beyond_float64_or_float32_are_refused():
    with pytest.raises(DataError, match=r"^column 'x0': its values are beyond the range of float64"):
        fitted(numbers([1e308, -1e308, 1e308, 1e308]))
    with pytest.raises(DataError, match=r"^line 7, step 2, 'x0': 1e\+60 is too far from the values of the t"):
        fitted(numbers([1.0, 2.0])).encode(np.array([[1.0], [1e60]]), "line 7")


def test_summaries_are_mean_and_deviation_of_known_values():
    data = numbers([[1.0, NAN], [3.0, 8.0], [5.0, 4.0]], [[2.0, NAN], [4.0, NAN]])
    codec = fitted(data)
    z = [codec.scaler.transform(x) for x in data.inputs]
    found = codec.summaries(data)
    np.testing.assert_allclose(found[0], [*np.nanmean(z[0], 0), *np.nanstd(z[0], 0)], rtol=0, atol=1e-15)
    np.testing.assert_allclose(found[1], [z[1][:, 0].mean(), 0, z[1][:, 0].std(), 0], rtol=0, atol=1e-15)


def test_new_data_may_have_more_columns_in_another_order():
    codec = fitted(numbers([[1.0, 5.0], [2.0, 7.0]]))
    other = Sequences((np.array([[9.0, 5.0, 1.0]]),), ("more", "x1", "x0"), None, ("a",), ("line 2",))
    assert codec.aligned(other).inputs[0].tolist() == [[1.0, 5.0]]
    lacking = Sequences((np.array([[9.0]]),), ("x0",), None, ("a",), ("line 2",))
    with pytest.raises(DataError, match=r"^line 2: the model reads feature 'x1', got columns 'x0'; give"):
        codec.aligned(lacking)
    with pytest.raises(
        DataError, match=r"^line 2: the rate is 8,000 Hz; the model was trained on that of no"
    ):
        codec.aligned(Sequences((np.array([[9.0]]),), ("x0",), None, ("a",), ("line 2",), rate_hz=8000))
    with pytest.raises(DataError, match=r"got texts"):
        codec.aligned(from_arrays(["text"]))


@pytest.mark.parametrize("tokens", ["characters", "words", "bpe"])
def test_texts_become_numbers_by_what_training_knew(tokens):
    data = from_arrays(["the cat, the dog", "the cat.", "a dog"])
    codec = fitted(data, tokens=tokens, least_count=1)
    found = codec.encode("the cat", "here")
    assert found.dtype == np.int64 and codec.tokenizer.decode(found) == "the cat"
    again = restored(codec)
    assert isinstance(again, TextInputs) and again.encode("a dog?", "here").tolist() == (
        codec.encode("a dog?", "here").tolist()
    )
    network = network_of(again, PooledModelConfig(embedding_size=5), 2)
    assert (network.block.encoder.rows, network.block.encoder.size) == (again.tokenizer.size, 5)


def test_a_text_is_summed_up_by_shares_of_its_symbols():
    codec = fitted(from_arrays(["b a a", "a a b c"]), least_count=1)
    assert codec.tokenizer.vocabulary.symbols == ("<unk>", "a", "b", "c")
    assert codec.summaries(from_arrays(["a b b z"])).tolist() == [[0.25, 0.25, 0.5, 0]]


def test_text_without_symbols_or_of_another_kind_is_refused():
    codec = fitted(from_arrays(["a b"]))
    with pytest.raises(DataError, match=r"^line 3: '  ' holds no symbol; write a text, or leave it out"):
        codec.encode("  ", "line 3")
    with pytest.raises(DataError, match=r"^sequence 0: the model reads texts, got columns 'x0'"):
        codec.aligned(numbers([1.0]))


def test_vectors_begin_the_embedding(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("2 3\ncat 1 2 3.5\nunseen 4 5 6\n")
    data = from_arrays(["cat dog", "cat dog"])
    codec = fitted(data, vectors=str(path))
    row = codec.tokenizer.vocabulary.encode(["cat"])[0]
    table = network_of(codec, PooledModelConfig(embedding_size=3), 2).p.encoder
    assert table.weight[row].tolist() == [1, 2, 3.5]
    for options, message in (
        (
            {"data": data, "tokens": "bpe"},
            "vectors is for words, and the symbols are bpe; set tokens='words'",
        ),
        ({"data": numbers([1.0, 2.0])}, "vectors is for texts, and these data are numbers; leave it out"),
    ):
        with pytest.raises(ConfigError, match=message):
            fitted(vectors=str(path), **options)


def test_a_codec_is_restored_to_the_bit():
    codec = fitted(numbers([[1.0, NAN], [3.5, 8.1], [5.0, 4.0]]))
    again, x = restored(codec), np.array([[0.3, 2.0], [NAN, NAN]])
    assert isinstance(again, NumberInputs) and again.features == codec.features
    assert np.array_equal(again.encode(x, ""), codec.encode(x, ""))


def test_every_source_is_read(tmp_path):
    frame = pl.DataFrame({"id": [1, 1, 2], "v": [1.0, 2.0, 3.0], "label": ["a", "a", "b"]})
    frame.write_csv(tmp_path / "x.csv")
    config = SequencesConfig(id="id", target="label")
    pair = ([[1.0, 2.0], [3.0]], ["a", "b"])
    sources = (frame, tmp_path / "x.csv", [tmp_path / "x.csv"], from_arrays(*pair))
    for source in sources:
        found = read(config, source)
        assert Counter(found.answers) == {"a": 1, "b": 1} and found.inputs[0].tolist() == [[1.0], [2.0]]


def test_labels_are_those_of_the_training_files_alone(tmp_path, monkeypatch):
    config = SequencesConfig(files=(str(tmp_path / "train"),), labels="own-labels")
    asked = []
    monkeypatch.setattr(
        "unrolled.tasks.inputs.read_sequences", lambda source, query: asked.append(query.labels)
    )
    read(config, files_of(config).train)
    read(config, tmp_path / "other")
    read(config, files_of(config).train, answers=False)
    assert asked[0].endswith("/own-labels") and asked[1:] == [None, None]


def test_options_of_recordings_are_checked():
    with pytest.raises(ConfigError, match=r"mels: wanted 1 to 512, got 0"):
        from_sections(PooledConfig, {"data": {"mels": 0}})


def test_columns_without_names_are_as_many_as_in_training():
    """Of wider arrays the first columns were read, and the others dropped without a word."""
    inputs = NumberInputs.fit(from_arrays(np.arange(24.0).reshape(4, 3, 2)))
    wider = from_arrays(np.ones((2, 3, 3)))
    with pytest.raises(DataError, match="sequence 0: wanted 2 features a step as in training, got 3 without"):
        inputs.aligned(wider)
    named = replace(wider, features=("x1", "y", "x0"), named=True)
    assert inputs.aligned(named).inputs[0].shape == (3, 2)


TEXTS = from_arrays(["good film", "bad film", "good play"], ["yes", "no", "yes"])


@pytest.mark.parametrize(
    "tokens, name",
    [("words", "word_dropout"), ("symbols", "word_dropout"), ("characters", "character_dropout")],
)
def test_symbols_of_texts_become_unknown_at_the_rate_that_is_of_them(tokens, name):
    model = PooledModelConfig.model_validate({name: 0.25})
    inputs = fit_inputs(SequencesConfig(tokens=tokens), model, TEXTS)
    assert network_of(inputs, model, 2).block.encoder.unknown == 0.25
    other = {"word_dropout": "character_dropout", "character_dropout": "word_dropout"}[name]
    with pytest.raises(ConfigError, match=f"{other}=0.25 has no use where steps are {tokens}; set tokens="):
        network_of(inputs, PooledModelConfig.model_validate({other: 0.25}), 2)


def test_frozen_vectors_are_not_trained(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("1 3\ncat 1 2 3.5\n")
    codec = fitted(from_arrays(["cat dog", "cat dog"]), vectors=str(path))
    for freeze in (True, False):
        options = PooledModelConfig(embedding_size=3, vectors=str(path), freeze_vectors=freeze)
        network = network_of(codec, options, 2)
        assert {n for n, p in network.named_parameters() if not p.requires_grad} == (
            {"encoder.weight"} if freeze else set()
        )
