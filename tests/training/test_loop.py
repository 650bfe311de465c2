import math

import pytest
import torch
from torch import nn

from unrolled.errors import RunError, TrainingError
from unrolled.files.metrics import rows_of
from unrolled.runs import Run
from unrolled.training.checkpoints import Checkpoints
from unrolled.training.config import TrainingConfig
from unrolled.training.history import kept_steps
from unrolled.training.optimizers import OPTIMIZERS
from unrolled.training.progress import Reporter

from .example import STEPS, Batch, Example, Sums, same


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {}, "test")


def config(**options):
    return TrainingConfig(**({"epochs": 3, "learning_rate": 0.01, "threads": 1} | options))


def test_the_loop_is_the_plain_loop_written_out():
    """Every part once by hand: seed, carried and cut state, clipping, Adam, best epoch."""
    example, twin = Example(), Example()
    torch.manual_seed(7)
    optimizer = torch.optim.Adam(twin.model.parameters(), lr=0.01, fused=True)
    losses, kept = [], {}
    for epoch in (1, 2, 3):
        state = None
        for batch in Sums().batches(epoch):
            optimizer.zero_grad()
            loss, (h, c) = twin.step(batch, state)
            loss.backward()
            nn.utils.clip_grad_norm_(twin.model.parameters(), 0.2)
            optimizer.step()
            state = (h.detach(), c.detach())
        twin.model.eval()
        losses.append(twin.validate())
        twin.model.train()
        kept[losses[-1]] = {name: tensor.clone() for name, tensor in twin.model.state_dict().items()}
    twin.model.load_state_dict(kept[min(losses)])

    history = example.train(config(seed=7, clip=0.2))
    assert same(example.model, twin.model)
    assert [row["validation_loss"] for row in history.rows if row["kind"] == "epoch"] == losses


def test_the_carried_state_has_the_values_of_one_long_pass():
    """Here the recurrent weights are held still, so the pieces can be compared with the whole."""
    pieces, rnn = list(Sums().batches(1)), nn.LSTM(2, 5, batch_first=True)
    losses = []

    class Held(Example):
        def step(self, batch, state):
            y, state = rnn(batch.x, state)
            losses.append(y.detach())
            return y.mean() + self.model.head.bias.sum() * 0, state

    Held().train(config(epochs=1))
    whole, _ = rnn(torch.cat([batch.x for batch in pieces], 1))
    # oneDNN may tile 65 steps otherwise than 5; the values agree to rounding.
    torch.testing.assert_close(torch.cat(losses, 1), whole, rtol=1e-5, atol=1e-6)


def test_no_gradient_reaches_the_batch_before():
    seen = []

    class Cut(Example):
        def step(self, batch, state):
            seen.append(state)
            return super().step(batch, state)

    Cut().train(config(epochs=2))
    assert seen[0] is None and seen[STEPS] is None
    states = [tensor for state in seen if state is not None for tensor in state]
    assert len(states) == 2 * 2 * (STEPS - 1)
    assert all(not tensor.requires_grad and tensor.grad_fn is None for tensor in states)


def test_early_stopping_keeps_the_best_epoch():
    losses = iter([5.0, 3.0, 4.0, 3.0, 9.0])
    example, states = Example(), []

    def validate():
        assert not example.model.training and not torch.is_grad_enabled()
        states.append({name: tensor.clone() for name, tensor in example.model.state_dict().items()})
        return next(losses)

    history = example.train(config(epochs=50, patience=2 * STEPS + 1), validate=validate)
    assert (history.kept_epoch, history.kept_loss, len(states)) == (2, 3.0, 5)
    assert history.stopped == f"no lower validation loss for {3 * STEPS} steps"
    assert all(torch.equal(states[1][name], tensor) for name, tensor in example.model.state_dict().items())
    assert not example.model.training


def test_patience_zero_never_stops_early():
    history = Example().train(config(epochs=8, patience=0), validate=lambda: 1.0)
    assert history.stopped == "epochs = 8 reached"
    assert history.kept_epoch == 1


class TestCooldown:
    """A patience of two epochs ends after epoch 8, whose best was 6: a third of those, 2, follow."""

    LOSSES = (9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 6.0, 6.0, 3.0, 2.0)
    OPTIONS = config(epochs=50, patience=2 * STEPS, schedule="cooldown")

    def test_after_patience_it_goes_back_and_the_rate_falls(self):
        losses, example, report = iter(self.LOSSES), Example(), Reporter()
        report.note = (notes := []).append
        judged, before = [], {}
        example.hook = lambda number: before.setdefault(number, _weights(example))

        def validate():
            judged.append(_weights(example))
            return next(losses)

        history = example.train(self.OPTIONS, report=report, validate=validate)
        assert torch.equal(before[8 * STEPS + 1], judged[5])
        assert history.stopped == "the learning rate has fallen to zero"
        waited = f"no lower validation loss for {2 * STEPS} steps"
        then = "goes back to epoch 6, and lets the learning rate fall to zero in 2 epochs"
        assert notes[0] == f"{waited}: {then}"
        rows = [row for row in history.rows if row["kind"] == "epoch"]
        shares = [(STEPS - 1) / (2 * STEPS), (2 * STEPS - 1) / (2 * STEPS)]
        assert [row["learning_rate"] for row in rows[:8]] == [0.01] * 8
        assert [row["learning_rate"] for row in rows[8:]] == pytest.approx(
            [0.01 * (1 - math.sqrt(share)) for share in shares]
        )
        assert [row.get("undone") for row in rows] == [None] * 8 + [2 * STEPS] * 2
        assert history.kept_epoch == 10
        assert notes[-1].startswith("the last epoch was the best, as it is meant to be")
        assert kept_steps(history.rows, config(keep="best")) == 8 * STEPS

    def test_a_worse_end_keeps_the_best(self):
        losses = iter((*self.LOSSES[:8], 5.0, 5.0))
        history = Example().train(self.OPTIONS, validate=lambda: next(losses))
        assert (history.kept_epoch, history.kept_loss) == (6, 4.0)

    def test_the_last_weights_go_on_where_those_are_kept(self):
        losses = iter((*self.LOSSES, 1.0))
        options = self.OPTIONS.model_copy(update={"keep": "last"})
        history = Example().train(options, validate=lambda: next(losses))
        assert history.kept_epoch == 11  # a third of 8 epochs
        assert not any("undone" in row for row in history.rows)

    def test_patience_ends_nothing_while_the_rate_falls(self):
        losses = iter((1.0, *[2.0] * 7))
        options = config(epochs=8, patience=7 * STEPS, schedule="cooldown")
        assert Example().train(options, validate=lambda: next(losses)).stopped == "epochs = 8 reached"


class TestKeep:
    def test_last_keeps_the_weights_of_the_last_step(self, run):
        losses = iter([2.0, 1.0, 3.0, 4.0])
        example, weights = Example(), []

        def validate():
            weights[:] = [tensor.clone() for tensor in example.model.state_dict().values()]
            return next(losses)

        history = example.train(config(epochs=4, keep="last"), Checkpoints.of(run), validate=validate)
        assert (history.kept_epoch, history.kept_loss) == (4, 4.0)
        assert all(map(torch.equal, weights, example.model.state_dict().values()))
        assert not (run.folder / "checkpoints" / "best.safetensors").exists()

    def test_average_validates_and_keeps_the_weighted_mean_of_all_steps(self):
        """a_k = Σ_j v_kj θ_j, each weight the product of what its step takes and the later ones leave."""
        trained, judged = [], []
        example = Example(lambda number: trained.append(_weights(example)))
        losses = iter([3.0, 1.0, 2.0])

        def validate():
            judged.append(_weights(example))
            return next(losses)

        example.train(config(keep="average"), validate=validate)
        after = trained[1:]  # each hook runs before its step: what the step before left
        for epoch in (1, 2):
            k = epoch * STEPS
            share = [
                9 / (j + 8) * math.prod(1 - 9 / (i + 8) for i in range(j + 1, k + 1)) for j in range(1, k + 1)
            ]
            assert sum(share) == pytest.approx(1)
            mean = sum(v * one.double() for v, one in zip(share, after[:k], strict=True))
            torch.testing.assert_close(judged[epoch - 1].double(), mean, rtol=1e-5, atol=1e-6)
        assert torch.equal(_weights(example), judged[1])
        assert not torch.equal(after[STEPS], judged[0])

    def test_validating_an_average_leaves_the_training_as_it_was(self):
        plain, averaged = Example(), Example()
        rows = plain.train(config(keep="last")).rows
        others = averaged.train(config(keep="average")).rows
        assert [row["loss"] for row in rows if row["kind"] == "step"] == [
            row["loss"] for row in others if row["kind"] == "step"
        ]

    @pytest.mark.parametrize("keep", [None, "last", "average"])
    def test_without_a_validation_part_the_end_is_kept(self, keep):
        trained = []
        example = Example(lambda number: trained.append(_weights(example)))
        history = example.train(config(epochs=5, keep=keep), validate=None)
        epochs = [row for row in history.rows if row["kind"] == "epoch"]
        assert len(epochs) == 5 and all(row["validation_loss"] is None for row in epochs)
        assert (history.kept_epoch, history.kept_loss) == (5, None)
        if keep == "average":
            assert (_weights(example) - trained[-1]).abs().max() > 1e-3
        else:
            assert torch.equal(_weights(example), _end(config(epochs=5)))


def _weights(example):
    return nn.utils.parameters_to_vector(example.model.parameters()).detach().clone()


def _end(options):
    """The weights after the last step."""
    example = Example()
    example.train(options.model_copy(update={"keep": "last"}))
    return _weights(example)


def test_steps_end_the_training_within_an_epoch_and_more_go_on_exactly(run):
    short, long = STEPS + 4, 2 * STEPS + 6
    example = Example()
    history = example.train(config(epochs=None, steps=short), Checkpoints.of(run))
    assert history.stopped == f"steps = {short} reached"
    assert example.steps == short
    assert [row["step"] for row in history.rows if row["kind"] == "epoch"] == [STEPS, short]
    more, whole = Example(), Example()
    resumed = more.train(config(epochs=None, steps=long), Checkpoints.of(run), resume=True)
    assert more.steps == long - short
    assert resumed.rows == whole.train(config(epochs=None, steps=long)).rows
    assert same(more.model, whole.model)


def test_a_training_of_minutes_takes_its_learning_rate_to_the_end(monkeypatch):
    clock = Clock(monkeypatch, 1.0)
    history = Example(clock.tick).train(config(epochs=None, minutes=20 / 60, schedule="cosine"))
    rates = [row["learning_rate"] for row in history.rows if row["kind"] == "epoch"]
    wanted = [0.01 * 0.5 * (1 + math.cos(math.pi * (done - 1) / 20)) for done in (STEPS, 20)]
    assert rates == pytest.approx(wanted)


ENDS = [
    ([2.0, 3.0], "constant", "the first epoch was the best: what came after fits the training part alone"),
    ([2.0, 3.0], "cosine", "the first epoch was the best: what came after fits the training part alone"),
    ([3.0, 2.0], "constant", "the last epoch was the best: the loss was still falling; train longer"),
    ([3.0, 2.0], "cosine", "the last epoch was the best, as it is meant to be where the learning rate falls"),
    ([3.0, 2.0], "cooldown", "the last epoch was the best: the loss was still falling; train longer"),
    ([3.0, 2.0, 4.0], "constant", "stopped: "),
]


@pytest.mark.parametrize("losses, schedule, note", ENDS)
def test_the_first_or_the_last_epoch_as_the_best_is_noted(losses, schedule, note):
    report = Reporter()
    report.note = (notes := []).append
    each = iter(losses)
    options = config(epochs=len(losses), schedule=schedule)
    Example().train(options, report=report, validate=lambda: next(each))
    assert notes[-1].startswith(note)


def test_the_history_holds_every_number_and_no_time():
    history = Example().train(config(epochs=2, schedule="cosine"))
    epochs = [row for row in history.rows if row["kind"] == "epoch"]
    steps = [row for row in history.rows if row["kind"] == "step"]
    assert [row["step"] for row in steps] == list(range(1, 2 * STEPS + 1))
    assert [row["step"] for row in epochs] == [STEPS, 2 * STEPS]
    first = [row for row in steps if row["epoch"] == 1]
    assert epochs[0]["train_loss"] == pytest.approx(sum(row["loss"] for row in first) / STEPS, rel=1e-12)
    assert epochs[0]["gradient_norm_max"] == max(row["gradient_norm"] for row in first)
    assert epochs[1]["learning_rate"] == 0.01 * 0.5 * (1 + math.cos(math.pi * (2 * STEPS - 1) / (2 * STEPS)))
    assert not any("second" in key or "time" in key for row in history.rows for key in row)


def test_everything_follows_from_the_seed_and_the_callers_generator_is_left_alone():
    one, two, other = Example(), Example(), Example()
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    one.train(config(seed=1))
    assert torch.equal(torch.rand(3), expected)
    two.train(config(seed=1))
    other.train(config(seed=2))
    assert same(one.model, two.model)
    assert not same(one.model, other.model)


def test_the_thread_count_is_set_and_given_back():
    before, seen = torch.get_num_threads(), set()
    example = Example(lambda number: seen.add(torch.get_num_threads()))
    example.train(config(epochs=1, threads=before + 1))
    assert seen == {before + 1}
    assert torch.get_num_threads() == before


class TestNotFinite:
    def fail_at(self, run, number, spoil, **options):
        """Trains up to step `number`, where `spoil(example)` acts: example, message, weights before it."""
        before = {}

        def hook(step):
            if step == number:
                before.update({name: t.clone() for name, t in example.model.state_dict().items()})
                spoil(example)

        example = Example(hook)
        with pytest.raises(TrainingError) as caught:
            example.train(config(**options), Checkpoints.of(run))
        message = str(caught.value)
        assert "\n" not in message
        assert "lower learning_rate (now 0.01) or clip" in message
        assert (
            f"in {run.folder}/config.toml, and go on before it: unrolled train --resume {run.folder}"
            in message
        )
        self.resumes(run)
        return example, message, before

    def resumes(self, run):
        """The checkpoint on disk is good: a training without the fault goes on from it to the same end."""
        healthy, whole = Example(), Example()
        healthy.train(config(), Checkpoints.of(run), resume=True)
        whole.train(config())
        assert same(healthy.model, whole.model)

    def test_loss(self, run):
        def spoil(example):
            example.model.head.register_forward_hook(lambda module, inputs, output: output * math.nan)

        example, message, before = self.fail_at(run, STEPS + 4, spoil)
        assert message.startswith(f"epoch 2, step 4 of {STEPS}: the loss is nan")
        assert all(torch.equal(before[name], t) for name, t in example.model.state_dict().items())

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_gradient(self, run, value):
        def spoil(example):
            example.model.rnn.weight_hh_l0.register_hook(lambda g: torch.full_like(g, value))

        example, message, before = self.fail_at(run, 5, spoil)
        assert message.startswith(f"epoch 1, step 5 of {STEPS}: the gradient of 'rnn.weight_hh_l0' is NaN")
        assert all(torch.equal(before[name], t) for name, t in example.model.state_dict().items())

    def test_weight(self, run, monkeypatch):
        def spoil(example):
            def poison(*call):
                adam(*call)
                example.model.rnn.bias_hh_l0[3] = math.inf

            adam = OPTIMIZERS["adam"]
            monkeypatch.setitem(OPTIMIZERS, "adam", poison)

        _, message, _ = self.fail_at(run, 3, spoil, optimizer="adam")
        start = f"epoch 1, step 3 of {STEPS}: the update made the weight 'rnn.bias_hh_l0' NaN or infinite"
        assert message.startswith(start)

    def test_input(self):
        class Spoilt(Sums):
            def batches(self, epoch, skip=0):
                for number, batch in enumerate(super().batches(epoch, skip), start=skip):
                    x = batch.x.clone()
                    x[1, 2, 0] = math.nan if number == 6 else 0.0
                    yield Batch(x, batch.y)

        wanted = f"epoch 1, step 7 of {STEPS}: the loss is nan .*; 'x' of this batch holds NaN or infinity"
        with pytest.raises(TrainingError, match=wanted):
            Example().train(config(), batches=Spoilt())

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_validation(self, value):
        losses = iter([1.0, value])
        with pytest.raises(TrainingError, match=f"epoch 2: the validation loss is {value}"):
            Example().train(config(), validate=lambda: next(losses))


class Clock:
    """Time that passes only where a step is taken."""

    def __init__(self, monkeypatch, seconds_per_step):
        self.now, self.pace = 0.0, seconds_per_step
        monkeypatch.setattr("unrolled.training.loop.time.monotonic", lambda: self.now)

    def tick(self, number):
        self.now += self.pace


def test_minutes_end_the_training_within_an_epoch(monkeypatch, run):
    clock = Clock(monkeypatch, 1.0)
    example = Example(clock.tick)
    history = example.train(config(epochs=None, minutes=(STEPS + 4) / 60), Checkpoints.of(run))
    assert history.stopped.startswith("minutes = ")
    assert [row["step"] for row in history.rows if row["kind"] == "epoch"] == [STEPS, STEPS + 4]
    path = run.folder / "metrics.jsonl"
    assert rows_of(path, path.read_bytes()) == list(history.rows)


def test_a_budget_shorter_than_a_step_still_takes_one(monkeypatch):
    clock = Clock(monkeypatch, 1.0)
    history = Example(clock.tick).train(config(minutes=1e-6))
    assert [row["step"] for row in history.rows] == [1, 1]


def test_a_resume_has_the_remaining_minutes_and_more_minutes_go_on_exactly(monkeypatch, run):
    clock = Clock(monkeypatch, 1.0)
    short, long = ({"epochs": 9, "minutes": steps / 60} for steps in (STEPS + 4, 2 * STEPS + 6))
    Example(clock.tick).train(config(**short), Checkpoints.of(run))
    again = Example(clock.tick)
    history = again.train(config(**short), Checkpoints.of(run), resume=True)
    assert again.steps == 0
    assert [row["step"] for row in history.rows if row["kind"] == "epoch"] == [STEPS, STEPS + 4]

    more, whole = Example(clock.tick), Example(clock.tick)
    resumed = more.train(config(**long), Checkpoints.of(run), resume=True)
    assert more.steps == STEPS + 2
    assert resumed.rows == whole.train(config(**long)).rows
    assert same(more.model, whole.model)


def test_a_finished_training_resumed_returns_at_once_and_more_epochs_go_on(run):
    first = Example().train(config(), Checkpoints.of(run))
    again, more, whole = Example(), Example(), Example()
    assert again.train(config(), Checkpoints.of(run), resume=True).rows == first.rows
    assert again.steps == 0
    longer = more.train(config(epochs=5), Checkpoints.of(run), resume=True)
    assert longer.rows == whole.train(config(epochs=5)).rows
    assert same(more.model, whole.model)


def test_a_validation_by_another_measure_is_named_and_does_not_resume_one_by_the_old(run):
    class Heard(Reporter):
        def note(self, line):
            lines.append(line)

    lines, other = [], "CRPS over 12 steps"
    history = Example().train(config(), validated=other, report=Heard())
    assert {row.get("validated") for row in history.rows if row["kind"] == "epoch"} == {other}
    assert any(line.endswith(f"validation {other} {history.kept_loss:.4g}") for line in lines)
    Example().train(config(), Checkpoints.of(run))
    with pytest.raises(RunError, match="was written with validated = None, now it is 'CRPS over 12 steps'"):
        Example().train(config(epochs=4), Checkpoints.of(run), resume=True, validated=other)


def test_the_reporter_sees_every_step_epoch_and_end_and_is_closed_on_errors():
    class Seen(Reporter):
        def __init__(self):
            self.calls = []

        def start(self, pace):
            self.calls.append(("start", pace.steps, pace.first))

        def step(self, epoch, steps_done, loss):
            self.calls.append(("step", epoch, steps_done))

        def epoch(self, row, best):
            self.calls.append(("epoch", row["epoch"], best))

        def note(self, line):
            self.calls.append(("note", line))

        def close(self):
            self.calls.append(("close",))

    seen = Seen()
    losses = iter([2.0, 3.0])
    Example().train(config(epochs=2), report=seen, validate=lambda: next(losses))
    steps = [("step", 1 + number // STEPS, number + 1) for number in range(2 * STEPS)]
    assert seen.calls == [
        ("start", 2 * STEPS, 0),
        *steps[:STEPS],
        ("epoch", 1, True),
        *steps[STEPS:],
        ("epoch", 2, False),
        ("note", "stopped: epochs = 2 reached; kept epoch 1 of 2, validation loss 2"),
        (
            "note",
            "the first epoch was the best: what came after fits the training part alone; lower learning_rate "
            "(now 0.01), or give more data",
        ),
        ("close",),
    ]
    with pytest.raises(TrainingError):
        Example().train(config(), report=seen, validate=lambda: math.nan)
    assert seen.calls[-1] == ("close",)


def test_batches_that_break_their_promise_are_refused():
    class Short(Sums):
        def batches(self, epoch, skip=0):
            return list(super().batches(epoch, skip))[:-1]

    with pytest.raises(ValueError, match=f"gave {STEPS - 1} batches in epoch 1, steps_per_epoch promised"):
        Example().train(config(), batches=Short())


def test_resume_without_checkpoints_is_a_wrong_call():
    with pytest.raises(ValueError, match="pass checkpoints"):
        Example().train(config(), resume=True)
