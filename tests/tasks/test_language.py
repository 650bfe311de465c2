"""The language model as an estimator: on texts that are made here, small enough to learn in a second."""

import json
import math
import random

import numpy as np
import polars as pl
import pytest
import torch

import unrolled
from unrolled import LanguageModel
from unrolled.cells import CELLS
from unrolled.decoding.ngrams import KneserNey
from unrolled.errors import ConfigError, DataError
from unrolled.files.text import text_of
from unrolled.tasks.language_config import LanguageConfig
from unrolled.training.checkpoints import Checkpoints
from unrolled.training.progress import Reporter
from unrolled.training.update import Update

SMALL = {"hidden": 6, "embedding_size": 5, "window": 16, "batch_size": 4, "epochs": 2}


def sentences(seed, count=150):
    """A small grammar, so that there is something to learn."""
    draw = random.Random(seed)
    names, verbs = ["Anna", "Bob", "das Öl", "漢字"], ["sees", "hears", "likes"]
    return "".join(f"{draw.choice(names)} {draw.choice(verbs)} {draw.choice(names)}.\n" for _ in range(count))


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("language") / "book.txt"
    path.write_bytes(sentences(1).encode())
    return path


@pytest.fixture(scope="module")
def run(book):
    folder = book.parent / "run"
    LanguageModel(**SMALL | {"epochs": 12, "hidden": 24, "learning_rate": 0.02}).fit(book, out=folder)
    return folder


@pytest.fixture(scope="module")
def model(run):
    return unrolled.load(run)


def test_the_evaluation_stands_beside_the_n_grams(model, book):
    found = model.evaluate()
    text = book.read_bytes().decode()
    n = len(text)
    test, train = text[n - round(0.1 * n) :], text[: n - 2 * round(0.1 * n)]
    tokenizer = model.codec.tokenizer
    known, judged = tokenizer.encode(train), tokenizer.encode(test)
    assert [row["model"] for row in found.rows] == [
        "model",
        *(f"Kneser–Ney, order {k}" for k in range(1, 6)),
    ]
    for order, row in enumerate(found.rows[1:], 1):
        gram = KneserNey.fit(known, order, tokenizer.size)
        mean = gram.nats(judged[1:], judged[:1]).mean()
        assert row["nats"] == pytest.approx(mean, rel=1e-12) and row["stored"] == gram.counts
    for row in found.rows:
        assert row["perplexity"] == pytest.approx(math.exp(row["nats"]))
        assert row["bits"] == pytest.approx(row["nats"] / math.log(2)) == row["bits_per_character"]
    assert found.rows[0]["stored"] == sum(p.numel() for p in model.network.parameters())
    assert found.rows[0]["perplexity"] < found.rows[1]["perplexity"]
    assert found.about["tokens"] == len(test) - 1 and found.about["unknown"] == 0


def test_a_run_says_the_same_again(model, run, book):
    told = json.loads((run / "evaluation.json").read_text())
    assert model.evaluate().json() == told
    assert {path.name for path in (run / "plots").glob("*.png")} == {
        "loss.png",
        "gradient_norm.png",
        "perplexity.png",
    }
    data = json.loads((run / "data.json").read_text())
    assert data["tokens"] == "characters" and data["tokenizer"]["symbols"][0] == "<unk>"


def test_unknown_symbols_are_counted_as_one_symbol(model):
    found = model.evaluate(text_of("Ω sees ж.\nq\n"))
    assert found.about["unknown"] == 3 and math.isfinite(found.rows[0]["perplexity"])
    assert model.evaluate(text_of("Ω sees ж.\nq\n")).rows == model.evaluate(text_of("Щ sees я.\nZ\n")).rows


def test_other_data_without_the_training_data_are_judged_alone(tmp_path):
    (tmp_path / "book.txt").write_text(sentences(3))
    LanguageModel(**SMALL).fit(tmp_path / "book.txt", out=tmp_path / "run")
    (tmp_path / "book.txt").unlink()
    found = unrolled.load(tmp_path / "run").evaluate(text_of(sentences(4, 9)))
    assert len(found.rows) == 1 and "there are no n-grams to compare with" in found.verdict[0]
    with pytest.raises(DataError, match="no such file"):
        unrolled.load(tmp_path / "run").evaluate()


def test_each_line_is_judged_alone(model):
    lines = ["Bob sees 漢字.", "", "Ω likes Anna.", "Bob sees 漢字.", "x" * 2000]
    frame = model.predict(text_of("\n".join(lines)))
    assert frame["line"].to_list() == [1, 2, 3, 4, 5]
    assert frame["tokens"].to_list() == frame["characters"].to_list() == [len(line) for line in lines]
    assert frame["unknown"].to_list() == [0, 0, 1, 0, 2000]
    assert frame["nats"][1] == 0 and frame["perplexity"][1] is None
    assert frame["nats"][0] == frame["nats"][3]
    for number, line in enumerate(lines):
        if line:
            alone = model.predict(text_of(line))
            assert alone["nats"][0] == frame["nats"][number], "to the bit"
            assert alone["perplexity"][0] == pytest.approx(math.exp(alone["nats"][0] / len(line)))
    shuffled = model.predict(text_of("\r\n".join(reversed(lines))))
    assert shuffled["nats"].to_list() == frame["nats"].to_list()[::-1]


def test_without_data_the_lines_of_the_test_part_are_judged(model, book):
    text = book.read_bytes().decode()
    frame = model.predict()
    assert isinstance(frame, pl.DataFrame)
    assert frame["characters"].sum() + len(frame) == round(0.1 * len(text)), "a line end each"


def test_generated_text_goes_on_after_the_prime(model):
    made = model.generate(80, "Bob ", seed=5)
    assert made.startswith("Bob ") and len(made) == 84 and "<unk>" not in made
    assert made == model.generate(80, "Bob ", seed=5) != model.generate(80, "Bob ", seed=6)
    assert len(model.generate(7)) == 7
    assert model.generate(9, "Ω", sample=False).startswith("Ω")
    likeliest = model.generate(40, "Anna ", sample=False)
    assert likeliest == model.generate(40, "Anna ", top_k=1, seed=9)
    assert likeliest == model.generate(40, "Anna ", temperature=1e-6, seed=3)
    assert likeliest == model.generate(40, "Anna ", top_p=1e-9, seed=3)


def test_generation_is_what_the_whole_text_says(model):
    """The first token has the distribution of the prime's last step."""
    prime = "Anna sees "
    counts: dict[str, int] = {}
    for seed in range(300):
        letter = model.generate(1, prime, seed=seed)[-1]
        counts[letter] = counts.get(letter, 0) + 1
    w = torch.from_numpy(model.codec.tokenizer.encode(prime))[None]
    with torch.no_grad():
        p = model.network(w)[0][0, -1].double().softmax(-1)
    p[0] = 0
    p /= p.sum()
    for letter, count in counts.items():
        share = float(p[int(model.codec.tokenizer.encode(letter)[0])])
        # five standard deviations, and one for shares near 0
        assert abs(count - 300 * share) <= 5 * math.sqrt(300 * share * (1 - share)) + 1


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"length": 0}, "length: wanted 1 or more, got 0"),
        ({"length": 5, "stop": ""}, "stop: wanted a text"),
        ({"length": 5, "number": 0}, "number: wanted 1 or more"),
        ({"length": 5, "number": 2, "sample": False}, "leave number out, or set sample"),
        ({"length": 5, "seed": -1}, "seed: wanted 0 or more, got -1"),
        ({"length": 5, "top_k": 0}, "top_k: wanted 1 or more"),
        ({"length": 5, "temperature": 0.0}, "temperature: wanted a number above 0"),
        ({"length": 5, "sample": False, "top_p": 0.5}, "leave top_p out"),
    ],
)
def test_what_cannot_be_generated_is_refused(model, how, complaint):
    with pytest.raises(ConfigError, match=complaint):
        model.generate(**how)


def test_a_prime_that_is_no_text_is_refused(model, book):
    with pytest.raises(DataError, match="lone surrogate"):
        LanguageModel(**SMALL, samples_every=2, prime="a\udcff").fit(book)
    with pytest.raises(DataError, match="lone surrogate"):
        model.generate(5, "a\udcff")


def test_generation_ends_before_a_text(model):
    whole = model.generate(200, "Bob ", seed=4)
    for stop in (".", "s ", "\n"):
        made = model.generate(200, "Bob ", seed=4, stop=stop)
        assert made == "Bob " + whole[4:].partition(stop)[0] and len(made) < 204
    assert model.generate(200, "Bob ", seed=4, stop="漢漢漢") == whole


def test_several_texts_are_drawn_each_by_itself(model):
    texts = model.generate(30, "Bob ", seed=4, number=3)
    assert texts[0] == model.generate(30, "Bob ", seed=4) and len(set(texts)) == 3
    assert all(text.startswith("Bob ") and len(text) == 34 for text in texts)
    assert model.generate(30, "Bob ", seed=4, number=1) == texts[:1]


@pytest.mark.parametrize("tokens", ["words", "spaced-words", "bpe"])
def test_other_tokens_have_the_same_measures(book, tokens):
    made = LanguageModel(**SMALL, tokens=tokens, tie=True, most_symbols=270).fit(book)
    row = made.evaluate().rows[0]
    text = book.read_bytes().decode()
    test = text[len(text) - round(0.1 * len(text)) :]
    judged = made.codec.tokenizer.encode(test)
    assert len(judged) < len(test)
    assert row["bits_per_character"] == pytest.approx(row["bits"] * len(judged) / len(test))
    assert len(made.generate(5, "Bob sees").split()) >= 2
    assert made.predict(text_of("Bob sees Anna.\n"))["characters"].to_list() == [14]


def test_rare_words_become_unknown_and_so_are_learned(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(sentences(2) + "hapax legomenon\n" + sentences(5) + sentences(6))
    made = LanguageModel(**SMALL, tokens="words").fit(path)
    assert "hapax" not in made.codec.tokenizer.vocabulary and "Bob" in made.codec.tokenizer.vocabulary
    kept = LanguageModel(**SMALL, tokens="words", least_count=1).fit(path)
    assert "hapax" in kept.codec.tokenizer.vocabulary


def test_vectors_are_what_the_embedding_begins_with(tmp_path, book):
    vectors = tmp_path / "v.txt"
    vectors.write_text("2 5\nBob 1 2 3 4 5\nnobody 0 0 0 0 0\n")
    options = SMALL | {"learning_rate": 1e-9, "epochs": 1}
    made = LanguageModel(**options, tokens="words", vectors=str(vectors)).fit(book, out=tmp_path / "run")
    (bob,) = made.codec.tokenizer.encode("Bob")
    row = made.network.embedding.weight[int(bob)].detach()
    np.testing.assert_allclose(row, [1, 2, 3, 4, 5], atol=1e-5)
    vectors.unlink()
    assert torch.equal(unrolled.load(tmp_path / "run").network.embedding.weight[int(bob)], row)


def test_frozen_vectors_stay_as_they_are(tmp_path, book):
    vectors = tmp_path / "v.txt"
    vectors.write_text("1 5\nBob 1 2 3 4 5\n")
    options = SMALL | {"tokens": "spaced-words", "vectors": str(vectors), "learning_rate": 0.1}
    kinds = {freeze: LanguageModel(**options, freeze_vectors=freeze).fit(book) for freeze in (True, False)}
    rows = {freeze: made.network.embedding.weight.detach() for freeze, made in kinds.items()}
    encode = kinds[True].codec.tokenizer.encode
    for bob in map(int, encode("Bob Bob")):
        assert rows[True][bob].tolist() == [1, 2, 3, 4, 5] != rows[False][bob].tolist()
    (comma,) = encode("漢字")
    assert not torch.equal(rows[True][int(comma)], rows[False][int(comma)])
    with pytest.raises(ConfigError, match="freeze_vectors belongs to vectors"):
        LanguageModel(freeze_vectors=True)


@pytest.mark.parametrize("hidden", [3, 64])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_one_hot_input_learns_without_an_embedding_and_has_the_same_bits_without_torch(
    book, tmp_path, cell, hidden
):
    options = SMALL | {"embedding": "none", "embedding_size": 128, "hidden": hidden, "cell": cell}
    made = LanguageModel(**options, learning_rate=0.02).fit(book, out=tmp_path / "run")
    V, S = made.codec.tokenizer.size, hidden * {"rnn": 1, "lstm": 4}[cell]
    assert made.evaluate().rows[0]["stored"] == S * (V + hidden + 2) + V * (hidden + 1)
    table, weight = made.network.embedding.weight, made.network.layer.weight_ih_l0
    identity, learned = (table, weight) if V <= S else (weight, table)
    assert torch.equal(identity, torch.eye(min(V, S))) and learned.shape.numel() == V * S
    w = made.codec.tokenizer.encode("Anna sees Bob.")
    again = unrolled.load(tmp_path / "run")
    (torchs,) = again._raw([w], 0)
    assert again.runtime().outputs(w).tobytes() == torchs.tobytes()
    assert again.evaluate().rows == made.evaluate().rows


def test_first_weights_are_drawn_as_asked_but_for_the_identity():
    options = SMALL | {"embedding": "none", "embedding_size": 128, "init": "normal", "learning_rate": 1e-12}
    made = LanguageModel(**options | {"init_scale": 0.5, "epochs": 1}).fit(text_of(sentences(1)))
    p = made.network
    assert (
        torch.equal(p.layer.weight_ih_l0, torch.eye(18))
        and not p.layer.bias_ih_l0.detach().abs().max() > 1e-6
    )
    for weight in (p.embedding.weight, p.layer.weight_hh_l0, p.head.weight):
        assert weight.std().item() == pytest.approx(0.5, rel=0.2)  # of 108 numbers and more
    with pytest.raises(ConfigError, match="init_scale belongs to init='normal'"):
        LanguageModel(init_scale=0.1)


def test_texts_are_written_on_the_way_and_change_nothing(book, tmp_path):
    options = SMALL | {"epochs": 4, "output_dropout": 0.3}
    plain = LanguageModel(**options).fit(book)
    report = Notes()
    wrote = {"samples_every": 2, "prime": ("Bob ", "Anna"), "samples_length": 9}
    made = LanguageModel(**options, **wrote).fit(book, out=tmp_path / "run", report=report)
    assert made.rows == plain.rows
    assert {path.name for path in (tmp_path / "run/samples").iterdir()} == {"epoch-2.txt", "epoch-4.txt"}
    for epoch in (2, 4):
        kept = (tmp_path / f"run/samples/epoch-{epoch}.txt").read_text()
        texts = kept.removesuffix("\n").split("\n---\n")
        assert [(text[:4], len(text)) for text in texts] == [("Bob ", 13), ("Anna", 13)]
        said = "\n".join(f"epoch {epoch} writes: {text}" for text in texts)
        assert said in "\n".join(report.lines)
    with pytest.raises(ConfigError, match="prime belongs to samples_every"):
        LanguageModel(prime="Bob")


class Notes(Reporter):
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


@pytest.mark.parametrize("how", [{"sampling": "random"}, {}, {"backprop_windows": 3}])
@pytest.mark.parametrize("cell", CELLS)
def test_a_training_that_was_cut_goes_on_to_the_same_bits(book, tmp_path, monkeypatch, cell, how):
    options = SMALL | {"cell": cell, "output_dropout": 0.2, "checkpoint_seconds": 0.0} | how
    whole = LanguageModel(**options).fit(book, out=tmp_path / "whole")
    real, steps = Update.__call__, [0]

    def cut(update, loss, learning_rate):
        steps[0] += 1
        if steps[0] == 41:
            raise KeyboardInterrupt
        return real(update, loss, learning_rate)

    monkeypatch.setattr(Checkpoints, "due", lambda self, seconds: True)
    monkeypatch.setattr(Update, "__call__", cut)
    with pytest.raises(KeyboardInterrupt):
        LanguageModel(**options).fit(book, out=tmp_path / "cut")
    monkeypatch.undo()
    again = LanguageModel().fit(resume=tmp_path / "cut")
    assert again.rows == whole.rows
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name]), name


def test_the_parts_follow_one_another_and_may_be_files_of_their_own(tmp_path, book):
    for name, seed in (("a.txt", 11), ("b.txt", 12), ("c.txt", 13)):
        (tmp_path / name).write_text(sentences(seed, 40))
    made = LanguageModel(**SMALL).fit(
        tmp_path / "a.txt", validation=tmp_path / "b.txt", test=[tmp_path / "c.txt"], out=tmp_path / "run"
    )
    assert made.evaluate().about["characters"] == len(sentences(13, 40))
    assert unrolled.load(tmp_path / "run").evaluate().json() == made.evaluate().json()
    by_number = LanguageModel(**SMALL, validation=100, test=50).fit(book)
    assert by_number.evaluate().about["characters"] == 50


@pytest.mark.parametrize("words, keep", [(30, "last"), (31, "best")])
def test_an_epoch_is_chosen_where_enough_tokens_validate(words, keep):
    """The first of them is known."""
    options = SMALL | {"epochs": 1, "tokens": "words", "test": 0}
    made = LanguageModel(**options).fit(text_of(sentences(1)), validation=text_of("Anna " * words))
    assert made.config.training.keep == keep


def test_changed_training_data_are_told(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(sentences(1))
    LanguageModel(**SMALL).fit(path, out=tmp_path / "run")
    path.write_text(sentences(2))
    with pytest.raises(DataError, match="the data have changed"):
        unrolled.load(tmp_path / "run").evaluate()


@pytest.mark.parametrize(
    ("text", "options", "complaint"),
    [
        ("ab", {}, "leave nothing to train on"),
        ("abcdefghij" * 3, {"validation": 1.0}, "the validation part of 1 characters has 1 tokens"),
        ("word " * 30, {"tokens": "words", "validation": 2.0}, "tokens; wanted 2 or more"),
    ],
)
def test_too_little_text_is_told(text, options, complaint):
    with pytest.raises(DataError, match=complaint) as told:
        LanguageModel(**SMALL | options).fit(text_of(text))
    assert "\n" not in str(told.value)


def test_a_test_part_of_one_token_is_told():
    with pytest.raises(DataError, match="has 1 tokens"):
        LanguageModel(**SMALL, test=1.0).fit(text_of(sentences(1, 40))).evaluate()


def test_one_symbol_again_and_again_is_a_text():
    made = LanguageModel(**SMALL | {"epochs": 1}).fit(text_of("a" * 300))
    assert made.generate(4) == "aaaa" and made.evaluate().rows[0]["perplexity"] > 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"bidirectional": True}, "which would see the symbols to predict"),
        ({"vectors": "v.txt"}, "vectors is for words; set tokens='words'"),
        ({"dropout": 0.5}, "dropout acts between layers"),
        ({"embedding": "none", "tie": True}, "embedding='none' has no embedding for tie"),
        ({"embedding": "none", "embedding_size": 5}, "has no embedding for embedding_size"),
        ({"backprop_windows": 2, "sampling": "random"}, "backprop_windows needs windows that follow"),
        ({"split_seed": 3}, "the text is cut in order"),
        ({"sampling": "shuffled"}, "sampling"),
        ({"window": 0}, "window"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        LanguageModel(**options)


def test_tied_weights_have_no_table_of_their_own(book):
    same = LanguageModel(**SMALL | {"embedding_size": 6}, tie=True).fit(book)
    names = set(same.network.state_dict())
    assert "embedding.weight" in names and "bias" in names and not any("head" in name for name in names)
    assert not any("projection" in name for name in names)
    other = LanguageModel(**SMALL, tie=True).fit(book)
    assert other.network.projection.weight.shape == (5, 6)


def test_the_defaults_are_a_configuration():
    config = LanguageConfig()
    assert config.data.tokens == "characters" and config.sampling.sampling == "consecutive"


@pytest.mark.parametrize(
    ("tokens", "end", "noted"),
    [
        ("characters", "\r\n", True),
        ("characters", "\n", False),
        ("bpe", "\r\n", True),
        ("words", "\r\n", False),
    ],
)
def test_line_ends_of_windows_are_told_where_they_are_symbols(tokens, end, noted):
    report = Reporter()
    report.note = (notes := []).append
    LanguageModel(**SMALL, tokens=tokens, least_count=1).fit(text_of(f"a b{end}c d{end}" * 80), report=report)
    assert any("the \\r before each \\n is a symbol too" in line for line in notes) == noted
