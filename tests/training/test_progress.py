import io
import time

import pytest

from unrolled.training.progress import Bar, Lines, Pace, Reporter, reporter

ROW = {
    "kind": "epoch",
    "epoch": 2,
    "step": 20,
    "train_loss": 0.5,
    "validation_loss": 0.25,
    "gradient_norm_mean": 1.5,
    "gradient_norm_max": 3.0,
    "clipped": 0.125,
    "learning_rate": 0.01,
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr("unrolled.training.progress.time.monotonic", lambda: Clock.now)
    return Clock


def test_the_stream_decides(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert type(reporter(stream=Terminal())) is Bar
    assert type(reporter(stream=io.StringIO())) is Lines
    assert type(reporter(silent=True, stream=Terminal())) is Reporter
    monkeypatch.setenv("TERM", "dumb")
    assert type(reporter(stream=Terminal())) is Lines


def test_a_line_an_epoch(clock):
    stream = io.StringIO()
    with Lines(stream) as report:
        report.start(Pace(10, 50, None, steps_done=10, seconds=3.0))
        clock.now += 4
        report.step(2, 19, 0.7)
        report.epoch(ROW, best=True)
        report.epoch(ROW | {"clipped": 0.0}, best=False)
        report.note("stopped: because")
    assert stream.getvalue().splitlines() == [
        "epoch 2/5: train 0.5, validation 0.25 (best), gradient 1.5, 12% clipped, 2.5 steps/s, 0:00:12 left",
        "epoch 2/5: train 0.5, validation 0.25, gradient 1.5, 2.5 steps/s, 0:00:12 left",
        "stopped: because",
    ]


def test_the_exponential_of_a_loss_stands_beside_it_where_it_has_a_name(clock):
    stream = io.StringIO()
    with Lines(stream) as report:
        report.exponential = "perplexity"
        report.start(Pace(10, 50, None, steps_done=10, seconds=3.0))
        clock.now += 4
        report.epoch(ROW | {"train_loss": 2.0, "validation_loss": 5000.0}, best=True)
        report.epoch(ROW | {"validation_loss": None}, best=False)
    first, second = stream.getvalue().splitlines()
    assert "train 2 (perplexity 7.389), validation 5000 (perplexity 1.014e+304, best), " in first
    assert "train 0.5 (perplexity 1.649), gradient" in second


def test_of_many_short_epochs_every_few_have_a_line(clock):
    stream = io.StringIO()
    with Lines(stream) as report:
        report.start(Pace(1, 401, None, steps_done=0, seconds=0.0))
        for epoch in range(1, 402):
            clock.now += 0.01
            report.epoch(ROW | {"epoch": epoch, "step": epoch}, best=False)
    epochs = [int(line.split("/")[0].removeprefix("epoch ")) for line in stream.getvalue().splitlines()]
    assert epochs == [1, *range(9, 401, 9), 401]


def test_of_many_short_epochs_within_minutes_so_many_have_a_line(clock):
    """Epochs of a hundredth of a second, of which minutes alone say how many come."""
    stream = io.StringIO()
    with Lines(stream) as report:
        report.start(Pace(1, None, 0.1, steps_done=0, seconds=0.0))
        for epoch in range(1, 601):
            clock.now += 0.01
            report.epoch(ROW | {"epoch": epoch, "step": epoch}, best=False)
    epochs = [int(line.split(":")[0].removeprefix("epoch ")) for line in stream.getvalue().splitlines()]
    assert epochs[0] == 1 and 40 <= len(epochs) <= 51 and epochs[-1] >= 580


def test_a_measure_other_than_that_of_the_training_is_named():
    stream = io.StringIO()
    with Lines(stream) as report:
        report.start(Pace(40, 400, None, steps_done=0, seconds=0.0))
        report.epoch(ROW | {"validated": "CRPS over 12 steps"}, best=True)
    assert "validation CRPS over 12 steps 0.25 (best), gradient" in stream.getvalue()


def test_within_an_epoch_a_line_comes_every_ten_seconds(clock):
    stream = io.StringIO()
    with Lines(stream) as report:
        report.start(Pace(1000, None, None, steps_done=1000, seconds=3.0))
        for step in range(1001, 1046):
            clock.now += 1
            report.step(2, step, 0.7)
            if step == 1025:  # starts the ten seconds anew
                report.epoch(ROW | {"validation_loss": None, "step": 1025}, best=False)
    assert stream.getvalue().splitlines() == [
        "epoch 2, step 10 of 1,000: loss 0.7, 1 steps/s",
        "epoch 2, step 20 of 1,000: loss 0.7, 1 steps/s",
        "epoch 2: train 0.5, gradient 1.5, 12% clipped, 1 steps/s",
        "epoch 2, step 35 of 1,000: loss 0.7, 1 steps/s",
        "epoch 2, step 45 of 1,000: loss 0.7, 1 steps/s",
    ]


def test_what_has_no_steps_has_a_line_every_so_often_until_it_is_over(monkeypatch):
    monkeypatch.setattr("unrolled.training.progress.LINE_SECONDS", 0.01)
    stream = io.StringIO()
    report = Lines(stream)
    with pytest.raises(KeyboardInterrupt), report.busy("judging"):
        deadline = time.monotonic() + 30
        while stream.getvalue().count("\n") < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 3 and set(lines) == {"judging, 0:00:00 so far"}
    time.sleep(0.05)
    assert stream.getvalue().splitlines() == lines
    with Reporter().busy("judging"):
        pass


def test_the_bar_shows_epoch_loss_validation_rate_and_the_end(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    stream = Terminal()
    with Bar(stream) as report:
        report.start(Pace(10, 50, None, steps_done=0, seconds=0.0))
        clock.now += 4
        report.epoch(ROW, best=True)
        report.step(3, 21, 0.7)
    text = stream.getvalue()
    assert "epoch 3/5" in text
    assert "loss 0.7, validation 0.25 (best), 5.25 steps/s, 0:00:06 left" in text


def test_the_bar_is_drawn_at_most_so_often(clock, monkeypatch):
    drawn = []
    monkeypatch.setattr(Bar, "_draw", lambda self, *last: drawn.append(last))
    with Bar(Terminal()) as report:
        report.start(Pace(1000, 1000, None, steps_done=0, seconds=0.0))
        for step in range(1, 1001):
            clock.now += 0.002
            report.step(1, step, 0.5)
    assert 14 <= len(drawn) <= 18
    assert drawn[-1] == (1, 1000, 0.5)


class Deaf(Terminal):
    """A terminal that hung up."""

    def write(self, text):
        raise OSError(5, "Input/output error")

    def flush(self):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("kind", [Lines, Bar])
def test_a_training_goes_on_where_nobody_listens(kind):
    with kind(Deaf()) as report:
        report.start(Pace(10, 50, None, steps_done=0, seconds=0.0))
        report.step(1, 1, 0.5)
        report.epoch(ROW, best=True)
        report.note("stopped: because")


def test_a_bar_that_never_began_closes():
    with Bar(Terminal()):
        pass


def test_the_nearer_end_counts(clock):
    both = Pace(10, 1000, 1.0, steps_done=0, seconds=30.0)
    clock.now += 10
    assert both.share(20) == pytest.approx(40 / 60)
    assert both.text(20) == "2 steps/s, 0:00:20 left"
    assert both.epoch(7) == "7/100"
    endless = Pace(10, None, 1.0, steps_done=0, seconds=0.0)
    assert endless.epoch(7) == "7"
    clock.now += 100
    assert endless.share(20) == 1.0
    assert endless.text(20).endswith("0:00:00 left")
