"""The tagger from frames and files: learns what no baseline can, keeps the bits of a sequence, refuses in one
line, goes through a run folder."""

import json
import random
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch

from unrolled import load
from unrolled.batching.stretches import Stretches
from unrolled.cells import CELLS
from unrolled.errors import ConfigError, DataError
from unrolled.files.tagged import Tagged
from unrolled.tasks import tag_windows
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.split_data import Splits
from unrolled.tasks.tag import TagConfig, Tagger
from unrolled.tasks.tag_codec import Examples, TagCodec
from unrolled.training.progress import Reporter

NAMES = ("paris", "rome", "oslo")


def sentences(count, seed=0):
    """A name after "mr" is a person, of one or two words; else a place. No word alone tells."""
    draw, rows = random.Random(seed), []
    for s in range(count):
        for _ in range(draw.randint(1, 4)):
            rows.append((f"s{s}", draw.choice(["go", "see", "eat"]), "O"))
            kind = draw.choice(["PER", "LOC"])
            rows += [(f"s{s}", "mr", "O")] * (kind == "PER")
            rows.append((f"s{s}", draw.choice(NAMES), f"B-{kind}"))
            rows += [(f"s{s}", draw.choice(NAMES), f"I-{kind}")] * (draw.random() < 0.5)
    return pl.DataFrame(rows, schema=["id", "word", "tag"], orient="row")


def waves(count):
    """Whether a series is above where it was a step before: no step alone tells."""
    draw, rows = np.random.default_rng(0), []
    for s in range(count):
        x = draw.normal(size=draw.integers(2, 12)).cumsum()
        up = [False, *(x[1:] > x[:-1])]
        rows += [(str(s), float(v), "up" if u else "down") for v, u in zip(x, up, strict=True)]
    return pl.DataFrame(rows, schema=["id", "x", "phase"], orient="row")


SMALL = {
    "hidden": 12,
    "embedding_size": 12,
    "character_size": 5,
    "character_hidden": 6,
    "learning_rate": 0.02,
}


def fitted(frame, **options):
    return Tagger(**({"epochs": 6, "patience": 0} | SMALL | options)).fit(frame)


@pytest.fixture(scope="module")
def tagger():
    return fitted(sentences(200), epochs=10)


@pytest.fixture(scope="module")
def chained():
    return fitted(sentences(200), epochs=10, crf=True)


@pytest.mark.parametrize("which", ["tagger", "chained"])
def test_context_beats_the_words_most_frequent_tag(which, request):
    evaluation = request.getfixturevalue(which).evaluation
    own, word, majority = evaluation.rows
    assert own["accuracy"] > 0.93 > word["accuracy"] > majority["accuracy"]
    assert own["entity F1"] > 0.85 > word["entity F1"]
    assert any("beats every baseline on entity F1" in one for one in evaluation.verdict)
    assert evaluation.about["unseen_tags"] == [] and len(evaluation.about["tags"]) == 5


def test_numbers_are_tagged_by_what_came_before():
    tagger = fitted(waves(150), epochs=15, target="phase", bidirectional=False)
    own, majority = tagger.evaluation.rows
    assert own["accuracy"] > 0.9 > majority["accuracy"]
    assert tagger.predict()["word"].null_count() == len(tagger.predict())
    again = tagger.predict(waves(9).with_columns(x=pl.col("x") * float("nan")))
    assert again["probability"].is_finite().all()


@pytest.mark.parametrize("segments, keep", [(1, "last"), (2, "best")])
def test_an_epoch_is_chosen_where_enough_segments_of_one_tag_validate(segments, keep):
    """Of 15 sequences of 40 steps: steps within a segment say the same, those of another do not."""
    X = list(np.random.default_rng(0).normal(size=(40, 40, 2)))
    y = [["a"] * 40 if k % 2 or segments == 1 else ["a"] * 20 + ["b"] * 20 for k in range(25)]
    y[0] = ["b"] * 40
    judged = [(["a", "b"] * segments)[k % 2 :][:segments] for k in range(15)]
    validation = X[25:], [np.repeat(tags, 40 // segments).tolist() for tags in judged]
    report = Notes()
    model = Tagger(hidden=2, steps=2, test=0).fit(X[:25], y, validation=validation, report=report)
    training = model.config.training
    assert (training.keep, training.patience) == (keep, 0 if keep == "last" else 200)
    note = "15 tag segments to validate, fewer than 30, which is too few to choose an epoch by: the last"
    assert any(note in line for line in report.lines) == (keep == "last")
    named = Tagger(hidden=2, steps=2, test=0, keep="best").fit(X[:25], y, validation=validation)
    assert named.config.training.keep == "best"


class Notes(Reporter):
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


@pytest.mark.parametrize("which", ["tagger", "chained"])
def test_a_sequence_has_the_same_bits_alone_and_in_any_order(which, request):
    own = request.getfixturevalue(which)
    frame = sentences(40, seed=5)
    together = own.predict(frame)
    assert together.height == frame.height and together["word"].to_list() == frame["word"].to_list()
    for name in ("s0", "s17", "s39"):
        alone = own.predict(frame.filter(pl.col("id") == name))
        assert alone.equals(together.filter(pl.col("name") == name))
    p = own.predict_proba(frame)
    np.testing.assert_allclose(np.concatenate(p).sum(1), 1, atol=1e-6)  # float32 marginals of a CRF
    chosen = np.concatenate(p)[np.arange(frame.height), [own.tags.index(tag) for tag in together["tag"]]]
    np.testing.assert_array_equal(chosen, together["probability"])


@pytest.mark.parametrize("crf", [False, True])
def test_padding_and_other_rows_reach_no_loss_and_no_gradient(crf):
    data = Tagged(
        tuple(np.random.default_rng(s).normal(size=(T, 2)) for s, T in enumerate((5, 2, 1))),
        ("u", "v"),
        (("p", "q", "p", "q", "q"), ("q", "p"), ("q",)),
        ("a", "b", "c"),
        ("here",) * 3,
    )
    config = TagConfig.model_validate({"tag": {"crf": crf}, "model": {"hidden": 3}})
    codec = TagCodec.fit(config, data)
    torch.manual_seed(0)
    network = Tagger._network(config, codec).eval()
    examples, loss = Examples.of(codec, data), Tagger._loss(config, codec)
    batch = examples.collate(np.arange(3))
    inside = torch.arange(5) < batch.lengths[:, None]
    padded = batch._replace(x=batch.x.masked_fill(~inside[..., None], float("nan")))
    total, steps, _ = loss(network, padded)
    assert steps == 8 and total.isfinite()
    alone = sum(loss(network, examples.collate(np.array([i])))[0].item() for i in range(3))
    assert total.item() == pytest.approx(alone, rel=1e-6)
    assert all(g.isfinite().all() for g in torch.autograd.grad(total, list(network.parameters())))


def test_inner_tags_stand_only_where_they_may():
    frame = sentences(60)
    for options in ({}, {"crf": True}):
        own = fitted(frame, epochs=1, **options)
        with torch.no_grad():
            own.network.head.bias[own.tags.index("I-PER")] += 30.0
        for _, one in own.predict(frame).group_by("name", maintain_order=True):
            tags = one["tag"].to_list()
            assert all(tag[0] != "I" or (t and tags[t - 1][1:] == tag[1:]) for t, tag in enumerate(tags))
    free = fitted(frame, epochs=1, constraints=False)
    with torch.no_grad():
        free.network.head.bias[free.tags.index("I-PER")] += 30.0
    assert set(free.predict(frame)["tag"]) == {"I-PER"}


@pytest.mark.parametrize("crf", [False, True])
def test_a_tag_that_training_did_not_hold_counts_as_wrong_and_is_named(crf):
    frame = sentences(40)
    other = frame.with_columns(tag=pl.when(pl.col("id") == "s3").then(pl.lit("B-NEW")).otherwise("tag"))
    tagger = Tagger(epochs=1, crf=crf, **SMALL).fit(frame, validation=other)
    found, steps = (
        tagger.evaluate(other, include_training=True),
        other.filter(pl.col("tag") == "B-NEW").height,
    )
    assert found.about["unseen_tags"] == ["B-NEW"] and found.about["steps"] == frame.height
    assert f"{steps} steps with tags that training did not hold count as wrong: 'B-NEW'" in found.verdict
    right = tagger.predict(other)["tag"] == other["tag"]
    assert found.rows[0]["accuracy"] == pytest.approx(right.mean())
    with pytest.raises(DataError, match="no tag of the validation part"):
        Tagger(epochs=1, **SMALL).fit(frame, validation=other.filter(pl.col("id") == "s3"))


def test_a_run_folder_gives_the_same_answers(chained, tmp_path):
    frame = sentences(20, seed=3)
    chained.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert again.predict(frame).equals(chained.predict(frame))
    assert (tmp_path / "run" / "plots" / "confusion.png").stat().st_size > 0
    told = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert told["table"][0]["model"] == "model" and told["steps"] == sum(tag["steps"] for tag in told["tags"])


def test_files_are_read_again_from_a_loaded_run(tmp_path):
    path = tmp_path / "words.csv"
    sentences(30).write_csv(path)
    first = Tagger(epochs=1, **SMALL).fit(path, out=tmp_path / "run")
    assert load(tmp_path / "run").evaluate().json() == first.evaluation.json()
    again = Tagger(epochs=1, **SMALL).fit(path)
    assert all(
        torch.equal(a, b) for a, b in zip(first.network.parameters(), again.network.parameters(), strict=True)
    )


def test_rare_tags_weigh_more_where_asked():
    rows = [(str(s), "w", "rare" if s % 10 == 0 else "usual") for s in range(100)]
    frame = pl.DataFrame(rows, schema=["id", "word", "tag"], orient="row")
    p = {
        kind: np.concatenate(fitted(frame, class_weights=kind, epochs=20).predict_proba(frame))[:, 0].mean()
        for kind in ("none", "balanced")
    }
    assert p["none"] < 0.25 and 0.35 < p["balanced"] < 0.65


def test_wrong_calls_are_refused_in_one_line(tagger, tmp_path):
    frame = sentences(20)
    with pytest.raises(DataError, match="these are numbers; this model reads words"):
        tagger.predict(waves(3).rename({"phase": "tag"}))
    with pytest.raises(DataError, match="have the tag 'O'; wanted two"):
        fitted(frame.with_columns(tag=pl.lit("O")))
    with pytest.raises(ConfigError, match="class_weights weighs single steps"):
        Tagger(crf=True, class_weights="balanced")
    with pytest.raises(ConfigError, match="vectors is for words"):
        fitted(waves(20), target="phase", vectors=str(tmp_path / "none.txt"))
    with pytest.raises(DataError, match="wanted a column of answers"):
        tagger.evaluate(frame.drop("tag"))
    assert tagger.predict(frame.drop("tag")).height == frame.height


def test_a_number_that_is_too_far_is_told_with_its_place(tmp_path):
    tagger, path = fitted(waves(30), target="phase", epochs=1), tmp_path / "far.csv"
    path.write_text("id,x,phase\na,1,up\nb,1,up\nb,1e300,down\n")
    for ask in (tagger.predict, tagger._rows):
        with pytest.raises(DataError, match=r"far\.csv, line 3, step 2, 'x': 1e\+300 is too far"):
            ask(path)


@pytest.mark.parametrize("frame", [sentences(9), waves(9)], ids=["words", "numbers"])
@pytest.mark.parametrize("cell", CELLS)
def test_stretches_carry_the_state_that_one_long_pass_would_have(frame, cell):
    options = SMALL | {"cell": cell, "bidirectional": False, "learn_initial_state": True, "window": 2}
    tagger = Tagger(**options, batch_size=3, rare_word_dropout=0.0)
    data = tagger._read_source(tagger.config, frame)
    codec = TagCodec.fit(tagger.config, data)
    network = Tagger._network(tagger.config, codec).eval()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.9, 0.9)
    examples, loss = Examples.of(codec, data), Tagger._loss(tagger.config, codec)
    wanted, steps, _ = loss(network, examples.collate(np.arange(len(data))))
    walk = tag_windows.batches(examples, tagger.config)
    step = tagger._step(network, Prepared(tagger.config, codec, walk, None))
    state, found, o = None, 0.0, {}
    for stretch, batch in zip(
        Stretches(examples.lengths, 2, lambda one: one, 3, 0).batches(1), walk.batches(1), strict=True
    ):
        before = state if state is None else network.p.layer.reset_state(state, batch.begins)
        rows, _ = network(batch.x, before, batch.lengths)
        for row, i, start, n in zip(rows, stretch.indices, stretch.starts, stretch.lengths, strict=True):
            o |= {(int(i), int(start) + t): row[t] for t in range(n)}
        value, state = step(batch, state)
        found += value.item() * int((batch.lengths).sum())
    assert found == pytest.approx(wanted.item(), rel=1e-5)
    whole = examples.collate(np.arange(len(data)))
    for (i, t), one in o.items():
        assert torch.equal(one, network(whole.x, lengths=whole.lengths)[0][i, t]), "to the bit"
    assert len(o) == steps


def test_a_window_wants_the_order_of_time_and_no_chain():
    with pytest.raises(ConfigError, match="window cuts sequences, and reverse reads them from their ends"):
        Tagger(window=5, bidirectional=False, reverse=True)
    with pytest.raises(ConfigError, match="crf learns from whole paths"):
        Tagger(window=5, crf=True)
    with pytest.raises(ConfigError, match="lookahead is for layers that read in both directions"):
        Tagger(window=5, lookahead=2, bidirectional=False)
    with pytest.raises(ConfigError, match=r"lookahead belongs to window.* set window=\d+, or leave it out"):
        fitted(waves(20), lookahead=2, target="phase")


def test_a_model_learns_in_windows():
    options = {"bidirectional": True, "window": 3, "lookahead": 1, "epochs": 12, "target": "phase"}
    table = fitted(waves(80), **options).evaluation
    assert table.rows[0]["accuracy"] > 0.8 > table.rows[-1]["accuracy"]


def levels(steps, count=6, seed=0):
    """Whether a step is above the one that follows, in long series."""
    draw, parts = np.random.default_rng(seed), []
    for s in range(count):
        x = draw.normal(size=steps)
        tag = np.where(x > np.append(x[1:], 0), "above", "below")
        parts.append(pl.DataFrame({"id": f"s{s}", "x": x, "tag": tag}))
    return pl.concat(parts)


def long_config(**options):
    data = Tagger()._read_source(Tagger(**options).config, levels(2000))
    return Tagger(**options).config, Splits(data.select(range(4)), data.select([4]), data.select([5]))


def test_long_series_of_numbers_are_read_in_windows_of_the_direction_that_does_better():
    """Two losses that are told apart, two that are not, and two of networks that have learned nothing."""
    config, data = long_config()
    better, worse = np.full(40, 0.1) + np.arange(40) / 1e3, np.full(40, 0.3)
    for one_way, both, taken in (
        (better, worse, False),
        (worse, better, True),
        (better, better, True),
        (better + 0.7, worse + 0.7, True),
    ):
        asked = []

        def tried(config, steps, one_way=one_way, both=both, asked=asked):
            asked.append((config.model.bidirectional, config.tag.window, config.tag.lookahead, steps))
            return both if config.model.bidirectional else one_way

        chosen, notes = tag_windows.chosen(config, data, tried)
        S, L = tag_windows.WINDOW, tag_windows.MARGIN
        assert asked == [(True, S, L, 200), (False, S, None, 400)]
        assert chosen.model.bidirectional is taken and chosen.tag.window == S
        assert chosen.tag.lookahead == (L if taken else None)
        assert chosen.training.epochs * 4 >= 1000 and chosen.model.forget_bias == 1.0
        assert f"windows of {S}" in notes[0] and "validation loss" in notes[1]
        assert ("in both directions, with" in notes[1].partition(":")[0]) == taken


@pytest.mark.parametrize(
    ("options", "window", "both"),
    [
        ({"bidirectional": False}, tag_windows.WINDOW, False),
        ({"bidirectional": True, "window": 50}, 50, True),
        ({"lookahead": 9}, tag_windows.WINDOW, True),
        ({"steps": 30}, tag_windows.WINDOW, True),
        ({"crf": True}, None, True),
        ({"reverse": True}, None, False),
    ],
)
def test_what_was_named_is_not_tried(options, window, both):
    config, data = long_config(**options)
    chosen, notes = tag_windows.chosen(config, data, None)
    assert len(notes) == (1 if window is None else 2) and ("whole" in notes[0]) == (window is None)
    assert (chosen.tag.window, chosen.model.bidirectional) == (window, both)
    assert chosen.tag.lookahead in (None, tag_windows.MARGIN, options.get("lookahead"))


def test_a_long_series_is_tried_learned_and_answered(monkeypatch):
    """What decides comes after: one direction knows a half of it."""
    monkeypatch.setattr(tag_windows, "LEAST_TRIED", 50)
    notes = Notes()
    options = {"hidden": 8, "learning_rate": 0.02, "steps": 150, "batch_size": 8}
    tagger = Tagger(**options).fit(levels(2000), report=notes)
    assert any("in both directions, with 32 steps" in one for one in notes.lines), notes.lines
    assert tagger.evaluation.rows[0]["accuracy"] > 0.9
    assert len(tagger.history.rows) > 5 and tagger.config.model.input_dropout == 0.0


def test_one_long_series_is_cut_in_time():
    """A part of each kind, none of whose steps is in another."""
    notes, frame = Notes(), levels(3000, count=1).with_columns(x=pl.int_range(3000).cast(pl.Float64))
    tagger = Tagger(hidden=3, steps=2, bidirectional=True).fit(
        frame.with_columns(tag=pl.when(pl.col("x") % 7 < 3).then(pl.lit("a")).otherwise(pl.lit("b"))),
        report=notes,
    )
    parts = [
        part.inputs[0][:, 0] for part in (tagger._data.train, tagger._data.validation, tagger._data.test)
    ]
    assert [(part[0], part[-1]) for part in parts] == [(0, 2399), (2400, 2699), (2700, 2999)]
    assert any("cut in time, the last 10% to test, 10% before to validate" in one for one in notes.lines)


def test_few_long_sequences_learn_side_by_side():
    config, data = long_config(bidirectional=False, window=100)
    codec = TagCodec.fit(config, data.train)
    batches = tag_windows.batches(Examples.of(codec, data.train), config)
    assert len(batches.rows) == 8, "lanes of 1,000 steps"
    assert sum(int(batch.lengths.sum()) for batch in batches.batches(1)) == 4 * 2000


def test_a_model_learns_in_stretches():
    table = fitted(waves(80), bidirectional=False, window=3, epochs=12, target="phase").evaluation
    assert table.rows[0]["accuracy"] > 0.8 > table.rows[-1]["accuracy"]


def test_vectors_of_a_file_are_the_rows_of_known_words(tmp_path):
    (tmp_path / "vectors.txt").write_text("2 3\nmr 1 2 3\nelsewhere 4 5 6\n")
    config = TagConfig.model_validate(
        {"model": {"vectors": str(tmp_path / "vectors.txt"), "embedding_size": 3}}
    )
    data = Tagger()._read_source(config, sentences(20))
    codec = TagCodec.fit(config, data)
    network = Tagger._network(config, codec)
    assert network.encoder.table.weight[codec.inputs.words.encode(["mr"])[0]].tolist() == [1, 2, 3]


def test_notes_tell_what_was_read():
    notes = Notes()
    Tagger(epochs=1, **SMALL).fit(sentences(20), report=notes)
    assert any("16 sequences to train on, 2 to validate, 2 to test, 5 tags" in one for one in notes.lines)
    assert "words: column 'word'" in notes.lines


def test_the_columns_of_training_are_known(tmp_path):
    """The first word of each sentence was tagged, and the others dropped without a word."""
    rows = sentences(30)
    groups = rows.group_by("id", maintain_order=True)
    text = "\n".join("".join(f"{w}\tx\t{t}\n" for _, w, t in one.iter_rows()) for _, one in groups)
    (tmp_path / "train.txt").write_text(text)
    made = Tagger(epochs=1, **SMALL).fit(tmp_path / "train.txt", out=tmp_path / "run")
    (tmp_path / "new.txt").write_text("Anna Lee reads\nRain\n")
    own = load(tmp_path / "run")
    found = own.predict(tmp_path / "new.txt")
    assert found["word"].to_list() == ["Anna", "Lee", "reads", "Rain"]
    assert found["name"].to_list() == ["1", "1", "1", "2"] and found["position"].to_list() == [1, 2, 3, 1]
    (said,) = own.notices(tmp_path / "new.txt")
    assert said.endswith("a sentence, its words between blanks, not as the 3 columns of the training files")
    assert own.notices(tmp_path / "train.txt") == [] == own.notices()
    assert own.predict(tmp_path / "train.txt")["word"].to_list() == rows["word"].to_list()
    (tmp_path / "two.txt").write_text("Anna\tO\n\nreads\tO\n")
    for wrong in (
        lambda: own.evaluate(tmp_path / "two.txt"),
        lambda: Tagger(epochs=1, **SMALL).fit(tmp_path / "train.txt", test=tmp_path / "two.txt"),
    ):
        with pytest.raises(
            DataError, match=r"two.txt, line 1: wanted 3 columns as in the training files, got 2"
        ):
            wrong()
    with pytest.raises(
        DataError, match=r"two.txt, line 1: wanted the 3 columns of the training files, one word"
    ):
        own.predict(tmp_path / "two.txt")
    assert made.codec.layout == own.codec.layout == (3, True)


def schemed(count, first="B", inside="I", last="I", only="B"):
    """The same sentences in another scheme, in CoNLL columns."""
    text = []
    for _, one in sentences(count).group_by("id", maintain_order=True):
        tags = one["tag"].to_list()
        for word, here, after in zip(one["word"], tags, [*tags[1:], "O"], strict=True):
            ends = after[:2] != "I-"
            letter = (only if ends else first) if here[0] == "B" else last if ends else inside
            text.append(f"{word}\tx\t{here if here == 'O' else letter + here[1:]}")
        text.append("")
    return "\n".join(text) + "\n"


LETTERS = {"iob2": ("B", "I", "I", "B"), "bioes": ("B", "I", "E", "S"), "bilou": ("B", "I", "L", "U")}


@pytest.mark.parametrize("scheme", LETTERS)
def test_every_scheme_is_told_judged_and_kept(scheme, tmp_path):
    (tmp_path / "train.txt").write_text(schemed(250, *LETTERS[scheme]))
    known = {"word_dropout": 0.0, "character_dropout": 0.0}  # no word is new
    tagger = fitted(tmp_path / "train.txt", epochs=12, **known)
    assert tagger.codec.scheme == scheme
    own = tagger.evaluation
    assert own.rows[0]["entity F1"] > 0.8 > own.rows[1]["entity F1"]
    of_entities, of_tags = own.parts
    assert [row["entity"] for row in of_entities] == ["LOC", "PER"] and of_entities == own.about["entities"]
    assert [row["tag"] for row in of_tags] == list(tagger.tags)
    other = fitted(tmp_path / "train.txt", epochs=1, scheme="none")
    assert "entity F1" not in other.evaluation.rows[0] and other.codec.allowed is None
    assert len(other.evaluation.parts) == 1
    tagger.save(tmp_path / "run")
    again = load(tmp_path / "run")
    legal = again.codec.allowed
    for _, one in again.predict(sentences(40, seed=9)).group_by("name", maintain_order=True):
        path = [again.tags.index(tag) for tag in one["tag"]]
        assert legal.start[path[0]] and legal.end[path[-1]]
        assert all(legal.transitions[a, b] for a, b in pairwise(path))


def test_a_named_scheme_must_have_the_tags():
    with pytest.raises(DataError, match="the tag 'down' is none of scheme='bilou'"):
        fitted(waves(20), target="phase", scheme="bilou")


def test_nothing_of_the_test_part_reaches_the_codec():
    """Other words, shapes and tags there change no number of what was fitted."""
    frame, other = sentences(60), sentences(20, seed=3)
    strange = other.with_columns(
        word=pl.col("word").str.to_uppercase() + "-99", tag=pl.lit("E-NEW"), id="t" + pl.col("id")
    )
    fits = [
        Tagger(epochs=1, affix_size=3, **SMALL).fit(frame, test=test)
        for test in (other.with_columns(id="t" + pl.col("id")), strange)
    ]
    before, after = (json.dumps(one.codec.about()) for one in fits)
    assert before == after and '"99"' not in after and fits[0].codec.inputs.affixes is not None
    for a, b in zip(fits[0].network.parameters(), fits[1].network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_affixes_tell_words_that_training_did_not_hold():
    """Names in -ik are of one kind, in -or of another, and every word of the test part is new."""

    def named(first, count):
        draw, rows = random.Random(first), []
        for s in range(first, first + count):
            for _ in range(3):
                ending, stem = draw.choice(("ik", "or", "")), "".join(draw.choices("abcdefgh", k=5))
                rows.append((str(s), stem + ending, {"ik": "B-A", "or": "B-B", "": "O"}[ending]))
        return pl.DataFrame(rows, schema=["id", "word", "tag"], orient="row")

    options = {"character_hidden": 0, "hidden": 8, "embedding_size": 4, "learning_rate": 0.02, "patience": 0}
    found = {
        size: Tagger(affix_size=size, epochs=8, bidirectional=False, **options)
        .fit(named(0, 200), test=named(5000, 80))
        .evaluation.rows[0]["entity F1"]
        for size in (0, 6)
    }
    assert found[6] > 0.95 > 0.6 > found[0]


def test_tags_are_written_into_the_lines_of_their_files(tagger, tmp_path):
    text = "# a\nsee\nmr\nparis\n\n# b\nrome\n"
    (tmp_path / "in.txt").write_text(text)
    tags = iter(tagger.predict(tmp_path / "in.txt")["tag"])
    wanted = "".join(
        line if line[0] in "#\n" else f"{line[:-1]}\t{next(tags)}\n" for line in text.splitlines(True)
    )
    assert tagger.conll(tmp_path / "in.txt") == wanted and "mr\tO\nparis\tB-PER\n" in wanted
    (tmp_path / "lines.txt").write_text("see mr paris\nrome\n")
    both = tagger.conll([tmp_path / "in.txt", tmp_path / "lines.txt"])
    assert both == wanted + "\n" + tagger.conll(tmp_path / "lines.txt")
    assert both.endswith("mr\tO\nparis\tB-PER\n\nrome\tB-LOC\n\n")
    texts = ["see mr paris", "rome"]
    assert tagger.conll(texts) == tagger.conll(tmp_path / "lines.txt") == tagger.conll((texts, None))
    of_test = tagger.predict()
    assert [line.split("\t")[1] for line in tagger.conll().split("\n") if line] == of_test["tag"].to_list()
    with pytest.raises(ConfigError, match="holds words, and these are numbers"):
        fitted(waves(30), target="phase", epochs=1).conll()
    with pytest.raises(ConfigError, match=r"wanted a file that ends in .conll or .conllu, got '.csv'"):
        tagger.conll(tmp_path / "in.txt", ".csv")
