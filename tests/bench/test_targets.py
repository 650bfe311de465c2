"""The summary, reckoned by hand."""

import math

import pytest

from unrolled.bench.document import Peak
from unrolled.bench.grid import GRID
from unrolled.bench.targets import TARGETS, Line, summary

from .cases import document, record


def grid(ratios: list[float], threads: int = 2, cell: str = "gru", mode: str = "training"):  # type: ignore[no-untyped-def]
    """A record for each of the first shapes: ours takes 2 ms, torch.nn so many times that."""
    shapes = ["x".join(map(str, size)) for size in GRID]
    return [
        record(f"grid/{mode}/{cell}/{shape}", threads, {"unrolled": 2.0, "torch.nn": 2.0 * ratio})
        for shape, ratio in zip(shapes, ratios, strict=False)
    ]


def lines(*records, **options) -> dict[tuple[str, str, int, str, str], Line]:  # type: ignore[no-untyped-def]
    found = summary(document(*records, **options))
    return {(line.kind, line.cell, line.threads, line.ratio, line.statistic): line for line in found}


def test_the_geometric_mean_and_the_worst_case() -> None:
    found = lines(*grid([2.0, 8.0, 1.0, 16.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]))
    mean = found["grid/training", "gru", 2, "torch.nn / unrolled", "geometric mean"]
    assert mean.value == pytest.approx(4.0) and mean.measured == "10 of 10"
    assert mean.wanted == 4.0
    worst = found["grid/training", "gru", 2, "torch.nn / unrolled", "lowest"]
    assert (worst.value, worst.wanted, worst.met) == (1.0, 1.0, True)
    assert len(found) == 2


@pytest.mark.parametrize(("ratio", "met"), [(4.01, True), (3.99, False)])
def test_met_and_missed(ratio: float, met: bool) -> None:
    found = lines(*grid([ratio] * 10))
    assert found["grid/training", "gru", 2, "torch.nn / unrolled", "geometric mean"].met is met


def test_a_part_of_the_grid_is_not_judged() -> None:
    line = lines(*grid([9.0] * 9))["grid/training", "gru", 2, "torch.nn / unrolled", "geometric mean"]
    assert line.met is None and line.measured == "9 of 10" and line.wanted == 4.0


def test_one_thread_is_told_but_not_judged() -> None:
    found = lines(*grid([9.0] * 10, threads=1), *grid([2.0] * 10, threads=2))
    alone = found["grid/training", "gru", 1, "torch.nn / unrolled", "geometric mean"]
    assert alone.value == pytest.approx(9.0) and alone.met is None and alone.wanted is None
    assert found["grid/training", "gru", 2, "torch.nn / unrolled", "geometric mean"].met is False


def test_refused_and_absent_figures_do_not_count() -> None:
    refused = record("grid/training/gru/100x128x512x512", 2, {}, refused="y differs")
    alone = record("grid/training/gru/100x128x512x512", 2, {"unrolled": 1.0})
    for other in (refused, alone):
        found = lines(*grid([9.0] * 9), other)
        assert found["grid/training", "gru", 2, "torch.nn / unrolled", "lowest"].measured == "9 of 10"
    assert lines(refused) == {}


@pytest.mark.parametrize(("share", "met"), [(1.3, True), (1.31, False)])
def test_variants_may_cost_so_much_more_than_the_plain_cell(share: float, met: bool) -> None:
    name = "variants/inference/lstm-peephole/100x32x128x128"
    found = lines(record(name, 2, {"unrolled": share, "unrolled, plain": 1.0, "reference loop": 50.0}))
    (line,) = found.values()
    assert (line.value, line.wanted, line.met) == (share, 1.3, met)
    assert line.ratio == "unrolled / unrolled, plain"


def test_memory_is_judged_at_whatever_number_of_threads() -> None:
    shapes = ["x".join(map(str, size)) for size in GRID]
    for threads in (1, 2):
        records = [
            record(f"memory/saved/lstm/{shape}", threads, {"unrolled": 5.0, "torch.nn": 4.0 + k})
            for k, shape in enumerate(shapes)
        ]
        (line,) = lines(*records).values()
        assert line.value == 1.25 and line.met is False


def test_a_peer_that_saves_nothing_has_no_ratio() -> None:
    assert lines(record("memory/saved/rnn/2x3x4x5", 1, {"unrolled": 5.0, "torch.nn": 0.0})) == {}


def test_the_share_of_the_peak_in_big_shapes() -> None:
    big = record("grid/inference/lstm/100x64x256x256", 2, {"unrolled": 2.0})
    figure = big.figures[0].model_copy(update={"gflops": 90.0})
    peaks = (
        Peak(threads=1, product="torch.mm", gflops=60.0),
        Peak(threads=2, product="torch.mm", gflops=80.0),
        Peak(threads=2, product="unrolled.nn.Linear", gflops=100.0),
    )
    (line,) = lines(big.model_copy(update={"figures": (figure,)}), peaks=peaks).values()
    assert math.isclose(line.value, 0.9) and line.wanted == 0.85 and line.met is True


def test_the_targets_are_those_that_were_set() -> None:
    """The table of wanted ratios, once more by hand: nobody lowers one in passing."""
    wanted = {(t.kind, t.above, t.statistic): tuple(t.wanted.values()) for t in TARGETS}
    assert wanted["grid/inference", "torch.nn", "geometric mean"] == (3.0, 3.0, 1.4)
    assert wanted["grid/training", "torch.nn", "geometric mean"] == (3.5, 4.0, 2.0)
    assert wanted["grid/inference", "torch.nn", "lowest"] == (0.95, 0.95, 0.95)
    assert wanted["grid/training", "torch.nn", "lowest"] == (1.0, 1.0, 1.0)
    assert wanted["grid/inference", "onnxruntime", "geometric mean"] == (2.0, 1.5, 1.2)
    assert wanted["lengths/training", "torch.nn, packed", "geometric mean"] == (4.0, 5.0, 8.0)
    assert wanted["step/inference", "torch.nn", "lowest"] == (2.0, 2.0, 3.0)
    assert wanted["directions/training", "unrolled", "highest"] == (2.1, 2.1, 2.1)
