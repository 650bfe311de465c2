"""How much the n-gram counts is what answers the validation part best, and is kept with the model."""

import pytest

from tests.tasks.transcribe.test_transcriber import SMALL, table
from unrolled import Transcriber, load, runtime
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.tasks import distances
from unrolled.tasks.transcribe import tuning
from unrolled.tasks.transcribe.tuning import PAIRS


def trained(tmp_path, **options):
    """Of few epochs, so that every pair answers otherwise."""
    path = tmp_path / "it.csv"
    table(120, seed=4).write_csv(path)
    return Transcriber(**{**SMALL, "epochs": 3, "validation": 0.3, **options}).fit(path, out=tmp_path / "run")


@pytest.mark.parametrize("way", [{}, {"hmm": True, "states": 2}])
def test_the_pair_has_the_fewest_edits_of_the_validation_part(tmp_path, way):
    model = trained(tmp_path, **way)
    data, codec = model._splits().validation, model.codec
    edits = []
    for weight, share in PAIRS:
        found = model.using(lm_weight=weight, label_bonus=share * weight * codec.nats).predict(data)
        edits.append(sum(map(distances.edits, found["transcript"], data.answers)))
    assert len(set(edits)) > 2, edits
    assert (codec.lm_weight, codec.share) == PAIRS[edits.index(min(edits))]
    assert codec.weights(model.config.decoding) == (
        codec.lm_weight,
        codec.share * codec.lm_weight * codec.nats,
    )


def test_it_is_kept_with_the_model(tmp_path):
    model = trained(tmp_path)
    loaded, bare = load(tmp_path / "run"), runtime.load(tmp_path / "run")
    assert (loaded.codec.lm_weight, loaded.codec.share) == (model.codec.lm_weight, model.codec.share)
    assert loaded.predict().equals(model.predict())
    assert bare.decoding[3:5] == model.codec.weights(model.config.decoding)
    (tmp_path / "again").mkdir()
    assert trained(tmp_path / "again").codec.about() == model.codec.about()


def test_what_is_data_for_stays(tmp_path):
    for asked in ({"decoder": "greedy"}, {"lm_weight": 0.3}, {"label_bonus": 0.1}, {"lm_order": 0}):
        folder = tmp_path / str(asked)
        folder.mkdir()
        model = trained(folder, epochs=1, **asked)
        assert (model.codec.lm_weight, model.codec.share) == PAIRS[0]
    weighted = model.using(label_bonus=0.1)
    assert weighted.codec.weights(weighted.config.decoding) == (PAIRS[0][0], 0.1)
    assert read_sequences(tmp_path / str(asked) / "it.csv", Query(transcripts=True)).answers


@pytest.mark.parametrize("fewer", [True, False])
def test_greedy_answers_where_it_answers_the_validation_part_better(tmp_path, monkeypatch, fewer):
    counted = tuning._edits

    def edits(criterion, network, each, validation):
        wrong, count = counted(criterion, network, each, validation)
        assert [one.decoder for one in each] == ["beam"] * len(PAIRS) + ["greedy"]
        wrong[-1] = wrong[:-1].min() - fewer
        return wrong, count

    monkeypatch.setattr(tuning, "_edits", edits)
    model = trained(tmp_path)
    loaded = load(tmp_path / "run")
    greedy = model.using(decoder="greedy").predict()
    assert model.codec.greedy is loaded.codec.greedy is fewer
    assert loaded.predict().equals(greedy) is fewer
    assert not model.using(decoder="beam").predict().equals(greedy)
    assert model.using(best=2).codec.decoder(model.using(best=2).config.decoding) == "beam"
    assert runtime.load(tmp_path / "run").decoding.decoder == ("greedy" if fewer else "beam")
    assert model.evaluation.rows[1]["model"] == ("model, beam" if fewer else "model, greedy")
