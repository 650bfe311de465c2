"""The translator from pairs to a run: learns, answers with the same bits in any batch, resumes, refuses."""

import json

import polars as pl
import pytest
import torch

from tests.tasks.interrupted import resumed
from tests.tasks.translate.cases import SMALL, backward, fitted
from unrolled import Translator, load
from unrolled.errors import ConfigError, DataError
from unrolled.tasks import decoding
from unrolled.tasks.decoder import decoded
from unrolled.tasks.translate import answering
from unrolled.training.progress import Reporter

SOURCES = ["abc", "edcba", "a", "deadbe", "bb", "xyz", "cabbage"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "backward"
    options = {"epochs": 14, "attention": "additive", "batch_size": 16, "schedule": "cosine"}
    return folder, fitted(backward(700), out=folder, **options)


@pytest.fixture(scope="module")
def made(run):
    return run[1]


def test_strings_are_written_backward(made):
    own, copy, nearest = made.evaluation.rows
    assert own["exact match"] > 0.9 and own["symbol error rate"] < 0.03
    assert max(copy["exact match"], nearest["exact match"]) < 0.3
    assert "the model beats every baseline on exact match" in made.evaluation.verdict[0]
    assert made.evaluation.about["unknown_target_symbols"] == 0
    assert made.predict(["abc", "dead"]).tolist() == ["cba", "daed"]
    assert made.using(beam=4, best=3).predict(["abc", "dead"]).tolist() == ["cba", "daed"], "the best alone"


@pytest.mark.parametrize("how", [{"beam": 1}, {"beam": 4, "best": 3}, {"sample": True, "best": 2}])
def test_an_answer_has_the_same_bits_alone_and_in_any_batch(made, how):
    own = made.using(**how)
    together = own.frame(SOURCES)
    best = how.get("best", 1)
    assert together["source"].to_list() == [source for source in SOURCES for _ in range(best)]
    assert together["rank"].to_list() == list(range(1, best + 1)) * len(SOURCES)
    for i, source in enumerate(SOURCES):
        assert own.frame([source]).equals(together[best * i : best * (i + 1)])
    assert own.frame(SOURCES[::-1] * 2).filter(pl.col("source") == "abc").head(best).equals(together[:best])


def test_few_sources_at_once_have_the_answers_of_all(made, monkeypatch):
    wanted = made.frame(SOURCES)
    monkeypatch.setattr(decoding, "MOST_TOGETHER", 2 * decoding.BEAM * made.codec.target.size)
    sizes, search = [], answering.search

    def counted(network, codec, rows, decoding):
        sizes.append(len(rows))
        return search(network, codec, rows, decoding)

    monkeypatch.setattr(answering, "search", counted)
    assert made.frame(SOURCES).equals(wanted) and sizes == [2, 2, 2, 1]


def test_a_beam_of_one_takes_the_likeliest_symbol_of_each_step(made):
    found = made.using(beam=1, longest=6).frame(SOURCES)
    drawn = made.using(sample=True, top_k=1, longest=6).frame(SOURCES)
    assert found.drop("score").equals(drawn.drop("score"))
    network, codec = made.network, made.codec
    for source, answer in zip(SOURCES, found["answer"], strict=True):
        x = torch.from_numpy(codec.source.tokenizer.encode(source))[None]
        y: list[int] = []
        with torch.no_grad():
            condition = network(x)
            while len(y) < 6:
                w = torch.tensor([[network.block.decoder.begin, *y]])
                o, _, _ = decoded(network, w, condition)
                o[0, -1, 0] = -torch.inf  # <unk> is no answer
                y.append(int(o[0, -1].argmax()))
                if y[-1] == codec.end:
                    break
        assert codec.target.tokenizer.decode([n for n in y if n != codec.end]) == answer


def test_answers_stand_in_the_order_of_their_scores(made):
    found = made.using(beam=6, best=6).frame(SOURCES)
    for _, several in found.group_by("source"):
        assert several["score"].to_list() == sorted(several["score"], reverse=True)
        usual = several["log_p_per_symbol"] - several["score"]
        assert usual.abs().max() < 1e-12, "the mean of a symbol"
        assert several["answer"].n_unique() == 6
    symbols = found["answer"].str.len_chars() + 1
    assert (found["log_p_per_symbol"] - found["log_p"] / symbols).abs().max() < 1e-12
    other = made.using(beam=6, best=6, length_penalty=1.5).frame(SOURCES)
    symbols = other["answer"].str.len_chars() + 1
    assert (other["score"] - other["log_p"] / symbols.cast(float) ** 1.5).abs().max() < 1e-12
    assert made.using(longest=2).frame(SOURCES)["answer"].str.len_chars().max() == 2
    plain = made.using(length_penalty=0.0).frame(SOURCES)
    assert plain["score"].equals(plain["log_p"].rename("score")), "no penalty"
    assert made.using(min_length=6).frame(["a"])["answer"].str.len_chars().min() >= 6
    once = made.using(no_repeat=1, min_length=5, best=5).frame(["aaaa"])["answer"].to_list()
    assert all(len(set(answer)) == len(answer) for answer in once)


def test_unknown_sources_are_answered(made):
    assert len(made.frame(["???"])["answer"][0]) <= made.codec.most(3)
    judged = made.evaluate([("abc", "cba"), ("a?c", "?!a")])
    assert judged.about["unknown_source_symbols"] == 1 and judged.about["unknown_target_symbols"] == 2
    assert judged.rows[0]["exact match"] == 0.5


def test_all_pairs_of_a_source_are_in_one_part_and_any_of_them_is_right():
    pairs = [(word, word[::-1]) for word, _ in backward(60)] + [(word, word) for word, _ in backward(60)]
    made = fitted(pairs, epochs=1, validation=10, test=12)
    parts = made._splits()
    sets = [set(part.inputs) for part in (parts.train, parts.validation, parts.test)]
    assert [len(one) for one in sets] == [38, 10, 12] and len(set.union(*sets)) == 60
    assert made.evaluate().about["questions"] == 12 and made.evaluate().about["pairs"] == 24
    assert made.evaluate().rows[1]["exact match"] == 1, "the copy is one of the right answers"


def test_sources_that_differ_in_blanks_alone_are_in_one_part():
    words = [word for word, _ in backward(40)]
    pairs = [(f"{word}{blanks}{k}", word) for blanks in (" ", "   ") for k, word in enumerate(words)]
    parts = fitted(pairs, epochs=1, validation=9, test=11)._splits()
    sets = [
        {" ".join(one.split()) for one in part.inputs} for part in (parts.train, parts.validation, parts.test)
    ]
    assert [len(one) for one in sets] == [20, 9, 11] and len(set.union(*sets)) == 40


def test_a_run_gives_the_same_answers_and_is_judged_again(run, tmp_path):
    folder, made = run
    loaded = load(folder)
    assert loaded.frame(SOURCES).equals(made.frame(SOURCES))
    judged = json.loads((folder / "evaluation.json").read_text())
    assert judged["table"][0]["exact match"] == made.evaluation.rows[0]["exact match"]
    assert {path.name for path in (folder / "plots").iterdir()} >= {"attention.png", "loss.svg"}
    assert "no longer here" in loaded.evaluate([("abc", "cba")]).verdict[-1]
    (tmp_path / "new.txt").write_text("abc\n\nb\n")
    with pytest.raises(DataError, match=r"new.txt, line 2: the source is empty"):
        loaded.frame(tmp_path / "new.txt")


def test_a_training_with_drawn_inputs_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in backward(100)))
    options = SMALL | {"epochs": 3, "scheduled_sampling": 0.9, "sampling_epochs": 2, "input_dropout": 0.3}
    options |= {"checkpoint_seconds": 0.0, "decoder_dropout": 0.1, "attention": "additive"}
    whole = Translator(**options).fit(path, out=tmp_path / "whole")
    again = resumed(Translator(**options), path, tmp_path / "cut", 5, monkeypatch)
    assert again.rows == whole.rows
    weights = again.network.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in whole.network.state_dict().items())


def test_a_way_to_answer_leaves_what_was_told_of_the_other(made):
    wide = made.using(beam=3, length_penalty=1.5, best=2, longest=4)
    drawn = wide.using(sample=True, top_p=0.9, sample_seed=5)
    assert drawn.frame(SOURCES).equals(
        made.using(sample=True, top_p=0.9, sample_seed=5, best=2, longest=4).frame(SOURCES)
    )
    again = drawn.using(sample=False).config.decoding
    assert (again.top_p, again.sample_seed, again.beam, again.best) == (None, None, None, 2)
    with pytest.raises(ConfigError, match="beam has no use with sample"):
        wide.using(sample=True, beam=3)


def test_what_is_wrong_is_refused_before_anything_is_written(made, tmp_path):
    folder = tmp_path / "run"
    for wrong, said in (
        ({"beam": 0}, "beam: "),
        ({"beam": 2, "best": 3}, "wanted 3 answers of a beam of 2"),
        ({"reverse": True}, "reverse is for one direction"),
        ({"scheduled_sampling": 1.5}, "scheduled_sampling: "),
        ({"sampling_epochs": 3}, "sampling_epochs needs scheduled_sampling, which is 0"),
        ({"attention": "none", "attention_size": 4}, "attention_size has no use with attention='none'"),
    ):
        with pytest.raises(ConfigError, match=said):
            fitted(backward(20), out=folder, **wrong)
    with pytest.raises(ConfigError, match="beam: "):
        made.using(beam=0)
    with pytest.raises(DataError, match="pair 20: the target is empty"):
        fitted([*backward(20), ("a", "")], out=folder)
    with pytest.raises(DataError, match="leave nothing to train on"):
        fitted([("a", "b")] * 9, out=folder)
    for name in ("source_column", "target_column"):
        with pytest.raises(ConfigError, match=f"{name}='en' is for tables, and these data are none"):
            fitted(backward(20), out=folder, **{name: "en"})
    with pytest.raises(ConfigError, match="drawn at random needs torch"):
        made.using(sample=True).runtime()
    assert not folder.exists()


@pytest.mark.parametrize("tokens", ["words", "symbols", "bpe"])
def test_sides_may_have_symbols_of_their_own(tokens):
    pairs = [
        (f"{a} {b}", f"{b},  {a}!") for a in ("red", "blue", "old") for b in ("house", "car", "tree", "dog")
    ]
    options = {"epochs": 40, "batch_size": 4, "validation": 1, "test": 1}
    made = fitted(pairs * 2, source_tokens=tokens, target_tokens=tokens, **options)
    found = made.frame(["red car"])["answer"][0]
    assert found == {"words": "car , red !", "symbols": "car, red!", "bpe": "car,  red!"}[tokens]


def test_symbols_that_training_did_not_hold_are_told(made, tmp_path):
    (tmp_path / "new.txt").write_text("abc\nbZa\nZ\n")
    (line,) = made.notices(tmp_path / "new.txt")
    assert line == (
        f"{tmp_path / 'new.txt'}, line 2: 'Z' is not among the symbols of training, it is read as <unk>, and "
        "1 other symbol likewise"
    )
    assert made.notices([("abc", "cba")]) == []


def test_symbols_are_those_that_fit_the_texts_and_are_told(tmp_path):
    notes = []

    class Notes(Reporter):
        def note(self, line):
            notes.append(line)

    options = SMALL | {"epochs": 1, "batch_size": 256, "source_tokens": None, "target_tokens": None}
    pairs = [(source.replace(" ", ""), "yes" if "a" in source else "no") for source, _ in backward(60)]
    model = Translator(**options).fit(pairs, report=Notes(), out=tmp_path / "letters")
    assert (model.config.data.source_tokens, model.config.data.target_tokens) == ("characters", "words")
    assert "sources: characters, as each is one word that hardly repeats" in notes
    assert not any(line.startswith("targets:") for line in notes)
    assert Translator.load(tmp_path / "letters").frame(["ab"]).equals(model.frame(["ab"]))
