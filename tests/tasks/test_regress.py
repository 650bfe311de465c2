"""The regressor from data to answer, and its baselines by hand."""

import math

import numpy as np
import pytest
import torch

import unrolled
from unrolled.errors import DataError
from unrolled.files.arrays import from_arrays
from unrolled.files.examples import Sequences
from unrolled.tasks import pictures, regress
from unrolled.tasks.neighbours import NEAREST
from unrolled.tasks.regress import Linear, Regressor, numbers, plainly_answered, r2

SMALL = {"hidden": 8, "epochs": 2, "batch_size": 16}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(regress.figures, "save", lambda *arguments: None)


def lasts(N=150, seed=0):
    """Sequences of 3 to 12 steps; the answer is 1000 plus 50 times the last value of the second feature."""
    draw = np.random.default_rng(seed)
    X = [draw.normal(size=(int(T), 2)) for T in draw.integers(3, 13, N)]
    return from_arrays(X, [1000 + 50 * x[-1, 1] for x in X])


@pytest.fixture(scope="module")
def learnt():
    options = {"hidden": 16, "epochs": 40, "learning_rate": 0.01, "pooling": "last"}
    return Regressor(**options).fit(lasts(), test=lasts(60, seed=1))


def test_the_last_value_is_learnt_which_the_baselines_cannot_see(learnt):
    rows = {row["model"]: row for row in learnt.evaluation.rows}
    assert rows["model"]["MAE"] < 10 and rows["model"]["R²"] > 0.9
    assert rows["mean"]["MAE"] > 30 and rows["mean"]["R²"] < 0.05 and rows["linear model"]["MAE"] > 25
    assert learnt.evaluation.verdict[0].startswith("the model beats every baseline on MAE")


def test_a_batch_has_the_bits_of_each_alone(learnt):
    some = lasts(9, seed=4)
    whole = learnt.predict(some)["value"].to_list()
    assert whole == [learnt.predict(some.select([i]))["value"][0] for i in range(9)]
    assert learnt.predict(some).columns == ["name", "value"]


def test_a_run_is_read_back_to_the_bit(tmp_path):
    made = Regressor(**SMALL).fit(lasts(40), out=tmp_path / "run")
    again = unrolled.load(tmp_path / "run")
    some = lasts(7, seed=3)
    assert again.predict(some).equals(made.predict(some))
    with_data = [row for row in made.evaluate(some).rows if row["model"] != NEAREST]
    assert again.evaluate(some).rows == with_data, "all but what needs the training data"


@pytest.mark.parametrize("answer, shown", [("abc", "'abc'"), ("nan", "'nan'"), ("1e999", "'1e999'")])
def test_an_answer_that_is_no_number_is_named_with_its_place(learnt, tmp_path, answer, shown):
    data = from_arrays([np.zeros((2, 2))] * 3, ["1", answer, "2"])
    message = f"sequence 1: wanted a finite number as the answer, got {shown}; correct it"
    message += ", or say that it stands for no value (missing='abc')" if answer == "abc" else ""
    message += ", or use classify, which names classes"
    with pytest.raises(DataError) as caught:
        learnt.evaluate(data)
    assert str(caught.value) == message
    with pytest.raises(DataError):
        Regressor(**SMALL).fit(lasts(30), test=data, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_answers_that_do_not_vary_are_refused():
    with pytest.raises(DataError, match=r"column 'answer' is 7 in all 24 steps of the training part"):
        Regressor(**SMALL).fit((np.random.default_rng(0).normal(size=(30, 4)), [7] * 30))


def test_the_loss_is_half_the_squared_error_of_scaled_values(learnt):
    o, y = torch.tensor([[0.5], [-1.0]]), torch.tensor([0.0, 2.0])
    assert learnt._row_losses(learnt.config, learnt.codec)(o, y).tolist() == [0.125, 4.5]


def test_the_linear_model_finds_a_linear_rule_and_takes_constant_columns():
    draw = np.random.default_rng(5)
    z = np.column_stack([draw.normal(3, 2, 50), draw.normal(-1e4, 1e3, 50), np.full(50, 0.7)])
    y = 5 + 2 * z[:, 0] - 0.01 * z[:, 1]
    linear = Linear.fit(z, y)
    # The ridge pulls by about one part in a million.
    np.testing.assert_allclose(linear(z), y, rtol=1e-4)
    assert abs(linear.weights[2]) < 1e-6
    again = Linear.restore(linear.arrays())
    assert np.array_equal(again(z), linear(z))


def test_r2_by_hand():
    y = np.array([1.0, 2.0, 6.0])
    assert r2(y, np.array([1.0, 3.0, 5.0])) == 1 - 2 / 14
    assert r2(y, y) == 1 and r2(y, np.full(3, 3.0)) == 0
    assert math.isnan(r2(np.ones(3), y))


def test_answers_may_be_written_with_decimal_commas():
    def read(answers, decimal=None):
        places = tuple(f"row {k}" for k in range(len(answers)))
        data = Sequences(("a",) * len(answers), (), tuple(answers), places, places)
        return plainly_answered(data, decimal)

    data = read(["1,5", "1.234,25", "-3"])
    assert numbers(data).tolist() == [1.5, 1234.25, -3.0]
    assert data.notes == ("answers: '1,5' is read as 1.5",)
    assert numbers(read(["1,234", "2"], "comma")).tolist() == [1.234, 2.0]
    plain = read(["1e3", "2"])
    assert plain.answers == ("1e3", "2") and not plain.notes
    with pytest.raises(DataError, match=r"row 1: wanted a finite number as the answer, got 'x'"):
        numbers(read(["1,5", "x"]))
