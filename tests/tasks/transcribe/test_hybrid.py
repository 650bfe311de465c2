"""The HMM hybrid: learned from even alignments, exact when resumed, with the bits of a sequence alone; what
it says of a transcript is what its own model says."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from unrolled import Transcriber, load, runtime
from unrolled.batching.buckets import Buckets
from unrolled.blocks.transcriber import Chain
from unrolled.decoding import hmm, hmm_loop
from unrolled.decoding.hmm import Topology
from unrolled.decoding.hybrid import MOST_LABELS, States
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.models import saved
from unrolled.tasks.transcribe import hybrid
from unrolled.tasks.transcribe.alignments import Realigned
from unrolled.tasks.transcribe.config import TranscribeModelConfig
from unrolled.tasks.transcribe.examples import Batch, Examples
from unrolled.tasks.transcribe.hybrid import Hybrid
from unrolled.tasks.transcribe.network import network_of, outputs
from unrolled.training import checkpoints
from unrolled.training.checkpoints import Checkpoints

from ...decoding.paths import spans_on
from .test_transcriber import SMALL, table

OWN = {"hmm": True, "states": 2} | SMALL


@pytest.fixture(scope="module")
def transcriber():
    return Transcriber(**OWN, epochs=9).fit(table(150))


def test_labels_are_learned_from_even_alignments(transcriber):
    own, *baselines = transcriber.evaluation.rows
    assert own["label error rate"] < 0.05 and own["exact"] > 0.8 and len(baselines) == 2
    chain = transcriber.network.chain
    assert chain.prior.sum().item() == pytest.approx(1)
    assert (chain.prior != chain.prior[0]).any() and (chain.stay != chain.stay[0]).any()
    losses = [row["validation_loss"] for row in transcriber.history.rows if row["kind"] == "epoch"]
    assert losses[transcriber.history.kept_epoch - 1] < losses[0] / 10


def test_answers_are_the_best_paths_of_its_model(transcriber):
    frame = table(20, seed=3)
    found = transcriber.using(lm_weight=0.7, label_bonus=0.3).predict(frame)
    criterion, codec = Hybrid(transcriber.codec, transcriber.config.hmm), transcriber.codec
    states = criterion.states(transcriber.network)
    g = hmm_loop.grammar(states.bigram, 0.7, 0.3)
    for row in found.to_dicts():
        x = frame.filter(pl.col("id") == row["name"]).select("u", "v").to_numpy()
        z = torch.from_numpy(codec.inputs.encode(x, ""))
        log_p, steps = outputs(transcriber.network, z[None], torch.tensor([len(z)]))
        scaled = log_p.detach().double().numpy() - np.log(transcriber.network.chain.prior.numpy())
        moves = states.moves
        (best,) = hmm_loop.decode(scaled, steps.numpy(), criterion.topology, moves, g)
        assert [codec.labels[k + 1] for k in best.labels] == row["labels"] and best.score == row["score"]
        chain = hmm.chains(criterion.topology, moves, [best.labels])
        path, score = hmm.viterbi(scaled, steps.numpy(), chain)
        assert score[0] + hmm_loop.likelihood(g, [best.labels])[0] == pytest.approx(best.score)
        assert list(best.spans) == spans_on(criterion.topology, best.labels, path[0])
        assert row["first"] == [s.start + 1 for s in best.spans] and row["last"] == [
            s.stop for s in best.spans
        ]
        assert row["log_p"] < 0


def test_probabilities_of_transcripts_add_up_to_one(transcriber, monkeypatch):
    """Over all transcripts that so few steps can say: 2 states a label, 5 steps, 2 labels at most."""
    codec, network = transcriber.codec, transcriber.network
    K = len(codec.labels) - 1
    every = [np.array(one, np.int64) for L in range(3) for one in np.ndindex(*[K] * L)]
    criterion, T = Hybrid(codec, transcriber.config.hmm), 5
    x = torch.randn(1, T, 2, generator=torch.Generator().manual_seed(0)).expand(len(every), T, 2)
    labels, counts = np.concatenate(every) + 1, torch.tensor([len(one) for one in every])
    batch = Batch(x, torch.full((len(every),), T), torch.from_numpy(labels), counts, np.arange(len(every)))
    with torch.no_grad():
        nats = criterion.validation_losses(network, batch) * counts.clamp(min=1)
        monkeypatch.setattr(hmm, "MOST", 1)  # a row at a time
        assert torch.equal(nats, criterion.validation_losses(network, batch) * counts.clamp(min=1))
    assert float(torch.exp(-nats).sum()) == pytest.approx(1, rel=1e-9)
    bigram = criterion.states(network).bigram
    for one in every:
        assert hmm_loop.likelihood(bigram, [one])[0] == pytest.approx(codec.grams.score(one + 1))


def test_no_transcript_is_surer_than_sure(transcriber):
    """Where one path alone counts, rounding may tell more than 1."""
    states = Hybrid(transcriber.codec, transcriber.config.hmm).states(transcriber.network)
    draw, T = np.random.default_rng(2), 41
    x = 2000 * draw.standard_normal((300, T, states.topology.size))
    steps = np.full(len(x), T)
    each = [one.labels for one in states.found(x, steps, 1.0, 0.0)]
    found = states.log_p(states.scaled(x), steps, [(one - 1).tolist() for one in each])
    assert (found <= 0).all() and (found > -1e-9).sum() > 20


def test_the_loss_is_the_mean_over_a_rows_steps(transcriber):
    network, criterion = transcriber.network, Hybrid(transcriber.codec, transcriber.config.hmm)
    lengths, draw = torch.tensor([4, 7]), torch.Generator().manual_seed(1)
    x = torch.randn(2, 7, 2, generator=draw)
    x[0, 4:] = float("nan")
    states = torch.randint(criterion.outputs, (2, 7), generator=draw)
    batch = Batch(x, lengths, torch.tensor([1, 2]), torch.tensor([1, 1]), np.arange(2), states)
    log_p, _ = outputs(network, x, lengths)
    for b, found in enumerate(criterion.losses(network, batch).tolist()):
        each = [-log_p[b, t, states[b, t]].item() for t in range(int(lengths[b]))]
        assert found == pytest.approx(np.mean(each), rel=1e-6)


@pytest.mark.parametrize("subsample", [1, 3])
def test_alignments_are_made_anew_when_due_and_by_the_network(subsample, monkeypatch):
    torch.manual_seed(0)
    topology = Topology(2, 2, True)
    config = TranscribeModelConfig(hidden=5, layers=1, subsample=subsample)
    network = network_of(config, 2, topology.size, Chain(topology.size))
    rows = [torch.randn(T, 2) for T in (23, 19, 31)]
    each = [np.array(one, np.int64) for one in ([1, 2], [], [2, 2, 1])]
    batches = Realigned(network, topology, Buckets([23, 19, 31], Examples(rows, each).collate, 2, 0), 3)
    steps = [-(-len(row) // subsample) for row in rows]
    even = [topology.even(T, len(one)) for T, one in zip(steps, each, strict=True)]
    due = []
    monkeypatch.setattr(batches, "_realign", lambda: due.append(epoch))
    for epoch in range(1, 27):
        for batch in batches.batches(epoch):
            for i, states in zip(batch.indices, batch.states, strict=True):
                np.testing.assert_array_equal(states[: steps[i]], topology.chain(each[i] - 1)[even[i]])
        list(batches.batches(epoch, skip=1))  # within an epoch nothing is
    assert due == [4, 7, 13, 25]
    monkeypatch.undo()
    before = network.chain.prior.clone()
    list(batches.batches(4))
    assert network.training and not torch.equal(network.chain.prior, before)
    counts = hmm.Counts.of(topology, [(one - 1).tolist() for one in each], batches.paths)
    np.testing.assert_array_equal(network.chain.prior, counts.prior())
    np.testing.assert_array_equal(network.chain.stay, counts.moves().stay)
    kept = batches.kept()
    batches.put_back(kept)
    settled = {name: array.clone() for name, array in network.chain.state_dict().items()}
    list(batches.batches(7))
    together = batches.kept()["paths"]
    network.chain.load_state_dict(settled)
    monkeypatch.setattr(hmm, "MOST", 1)
    list(batches.batches(7))
    assert torch.equal(batches.kept()["paths"], together)
    assert [len(path) for path in batches.paths] == steps
    with pytest.raises(ValueError, match="paths of"):
        batches.put_back({"paths": kept["paths"][1:]})

    network.chain.load_state_dict(settled)
    trained = Realigned(network, topology, batches.buckets, 3, trained=True)
    assert torch.equal(trained.kept()["paths"], together), "a trained network aligns from the beginning"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """41 sequences are 3 steps an epoch; after 1, 2 and 4 epochs alignments are made anew."""
    folder = tmp_path_factory.mktemp("whole")
    table(45).write_csv(folder / "moves.csv")
    options = OWN | {"epochs": 5, "realign": 1, "output_dropout": 0.2, "subsample": 2, "test": 0}
    return folder, options, Transcriber(**options).fit(folder / "moves.csv", out=folder / "run")


@pytest.mark.parametrize("stop", [3, 8, 12])
def test_an_interrupted_training_goes_on_to_the_same_bits(stop, whole, tmp_path, monkeypatch):
    folder, options, uninterrupted = whole
    monkeypatch.setattr(checkpoints, "SHARE", 1e9)  # after every step
    seen, real = [], Hybrid.losses

    def until(self, network, batch):
        seen.append(batch)
        if len(seen) == stop:
            raise KeyboardInterrupt
        return real(self, network, batch)

    monkeypatch.setattr(Hybrid, "losses", until)
    with pytest.raises(KeyboardInterrupt):
        Transcriber(**options, checkpoint_seconds=0).fit(folder / "moves.csv", out=tmp_path / "run")
    resumed = Transcriber().fit(resume=tmp_path / "run")
    assert len(seen) == 15 + 1
    mine, wanted = resumed.network.state_dict(), uninterrupted.network.state_dict()
    assert all(torch.equal(mine[name], wanted[name]) for name in mine | wanted)
    assert (tmp_path / "run/metrics.jsonl").read_bytes() == (folder / "run/metrics.jsonl").read_bytes()


def test_a_run_of_other_paths_is_not_resumed(tmp_path, monkeypatch):
    path = tmp_path / "moves.csv"
    table(45).write_csv(path)
    real = Checkpoints.load

    def bent(self, weights, recipe):
        last = real(self, weights, recipe)
        if last is not None:
            last.kept = {"paths": last.kept["paths"][1:]}
        return last

    def interrupted(self, network, batch):
        raise KeyboardInterrupt

    learned = Hybrid.losses
    monkeypatch.setattr(Hybrid, "losses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Transcriber(**OWN, epochs=1).fit(path, out=tmp_path / "run")
    monkeypatch.setattr(Hybrid, "losses", learned)
    monkeypatch.setattr(Checkpoints, "load", bent)
    with pytest.raises(RunError, match="no state of this optimizer, random generator or data"):
        Transcriber().fit(resume=tmp_path / "run")


def test_a_sequence_has_the_same_bits_alone_and_in_any_order(transcriber):
    frame = table(30, seed=2)
    together = transcriber.predict(frame)
    for name in ("s0", "s11", "s29"):
        alone = transcriber.predict(frame.filter(pl.col("id") == name))
        assert alone.equals(together.filter(pl.col("name") == name))


def test_a_run_folder_holds_the_whole_model(transcriber, tmp_path):
    transcriber.save(tmp_path / "run")
    again, newer = load(tmp_path / "run"), table(20, seed=3)
    for decoding in ({}, {"lm_weight": 0.0}, {"lm_weight": 2.0, "label_bonus": 1.0}):
        assert again.using(**decoding).predict(newer).equals(transcriber.using(**decoding).predict(newer))
    for name in ("alignment", "confusion", "loss"):
        assert (tmp_path / "run" / "plots" / f"{name}.png").stat().st_size > 1000
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["table"][0]["model"] == "model"
    assert {"states = 2", "silence = true", "realign = 2"} <= set(
        (tmp_path / "run" / "config.toml").read_text().splitlines()
    )


def test_the_runtime_has_the_same_answers_without_torch(transcriber, tmp_path):
    own, newer = transcriber.using(lm_weight=0.7, label_bonus=0.3), table(20, seed=3)
    sequences = [np.asarray(x) for x in read_sequences(newer, Query(transcripts=True)).inputs]
    own.save(tmp_path / "run")
    for made in (own.runtime(), runtime.load(tmp_path / "run")):
        found = [answer for answers in made.predict(sequences) for answer in answers]
        for one, other in zip(found, own.predict(newer).to_dicts(), strict=True):
            for name in ("transcript", "log_p", "score", "labels", "first", "last"):
                assert np.array_equal(one[name], other[name])
    with pytest.raises(ConfigError, match="when a sequence has ended; train a model without hmm"):
        made.stream()
    no_share = {"chain.prior": made.arrays["chain.prior"] * 0, "chain.stay": made.arrays["chain.stay"][:-1]}
    for name, array in no_share.items():
        with pytest.raises(RunError, match="here: the description does not fit"):
            saved.model("here", made.about, {**made.arrays, name: array})
    states, chain = made.about["answers"]["states"], made.about["network"]["chain"]
    changes = [("answers", {"states": one}) for one in (None, {}, states | {"states": 0}, {"states": 1})]
    changes += [("network", {"chain": one}) for one in (None, {}, chain | {"size": 3})]
    for part, change in changes:
        with pytest.raises(RunError, match="here: "):
            saved.model("here", {**made.about, part: made.about[part] | change}, made.arrays)
    narrow = {name: a.astype(np.float32) if "chain" in name else a for name, a in made.arrays.items()}
    with pytest.raises(RunError, match="stay, pause, prior are not float64"):
        saved.model("here", made.about, narrow)


def test_without_silence_and_without_a_bigram():
    full = table(60).filter(pl.col("transcript") != "")
    own = Transcriber(**OWN, epochs=2, silence=False, lm_order=0).fit(full)
    assert own.network.head.weight.shape[0] == 2 * 3
    assert all(row["labels"] for row in own.predict(full).to_dicts())
    with pytest.raises(DataError, match="the transcript is empty, and without silence there is no state"):
        Transcriber(**OWN, epochs=1, silence=False).fit(table(60))
    short = own.predict(pl.DataFrame({"id": ["x"], "u": [1.0], "v": [0.0]}))
    assert short["transcript"].to_list() == [""] and short["score"][0] == short["log_p"][0] == -np.inf


def test_a_longer_transcript_than_the_steps_allow_is_refused_with_the_rule():
    x = np.random.default_rng(0).normal(size=(8, 1))
    with pytest.raises(DataError) as caught:
        Transcriber(hmm=True, epochs=1, split_seed=3).fit(([x] * 20, ["ab"] * 19 + ["aba"]))
    assert str(caught.value) == (
        "sequence 19: 3 labels need 9 steps (a step for each of a label's 3 states), and the sequence has 8; "
        "give it more steps (of recordings: lower hop_ms), or leave the sequence out"
    )


@pytest.mark.parametrize(
    "options, said",
    [
        ({"states": 2}, "states is for hidden Markov models; set hmm, or leave it out"),
        ({"silence": True}, "silence is for hidden Markov models"),
        ({"hmm": True, "states": 0}, "states: "),
        ({"hmm": True, "realign": 0}, "realign: "),
        ({"hmm": True, "lm_order": 3}, "of order 0, 1 or 2, got 3; set lm_order=2"),
        ({"hmm": True, "lexicon": "words.txt"}, "lexicon is for CTC, and hmm is set"),
        ({"hmm": True, "decoder": "greedy"}, "decoder is for CTC"),
        ({"hmm": True, "beam": 32}, "beam is for CTC"),
        ({"hmm": True, "best": 2}, "best is for CTC"),
    ],
)
def test_what_is_not_of_a_hybrid_is_refused_in_one_line(options, said):
    with pytest.raises(ConfigError, match=said) as caught:
        Transcriber(**options)
    assert "\n" not in str(caught.value)


def test_more_labels_than_their_pairs_fit_into_memory_are_refused(transcriber, monkeypatch):
    monkeypatch.setattr(hybrid, "MOST_LABELS", 1)
    with pytest.raises(ConfigError, match="hmm takes 1 labels at most, these transcripts have"):
        Hybrid(transcriber.codec, transcriber.config.hmm)
    size = MOST_LABELS + 1  # a file of some kilobytes could ask for any number of pairs
    topology, half = Topology(size, 1, False), np.full(size, 0.5)
    with pytest.raises(ValueError, match="4,097 labels; at most 4,096 have a bigram"):
        States.of(topology, None, half, np.array(0.5), half)


def test_decodings_of_ctc_are_refused_of_a_trained_model(transcriber):
    with pytest.raises(ConfigError, match="beam is for CTC"):
        transcriber.using(beam=4)
