"""classify and regress from the command line: train, evaluate, predict, and what is refused."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from .command import unrolled

OPTIONS = ("--id", "take", "--hidden", 4, "--epochs", 2, "--batch-size", 16)


def write_takes(path: Path, classes: str, seed: int, **changes: object) -> None:
    """Long CSV: 60 takes of 3 to 9 steps, their class and their length as columns."""
    draw = np.random.default_rng(seed)
    rows = []
    for k in range(60):
        T = int(draw.integers(3, 10))
        rows += [(f"t{k}", t, draw.normal(), classes[k % len(classes)], T) for t in range(T)]
    frame = pl.DataFrame(rows, schema=["take", "time", "force", "kind", "steps"], orient="row")
    frame.with_columns(**changes).write_csv(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("takes")
    write_takes(folder / "takes.csv", "abc", 0)
    write_takes(folder / "new.csv", "abc", 1)
    write_takes(folder / "kick.csv", "abd", 2)
    pl.read_csv(folder / "new.csv").drop("kind", "steps").write_csv(folder / "bare.csv")
    for task, target, features in (("classify", "kind", "force"), ("regress", "steps", "force")):
        answer = unrolled(
            "train",
            task,
            folder / "takes.csv",
            "--target",
            target,
            "--features",
            features,
            "--out",
            folder / task,
            *OPTIONS,
        )
        assert answer.status == 0, answer.err
    return folder


def test_a_run_has_its_plots_and_its_evaluation(folder: Path) -> None:
    for task, plot in (("classify", "confusion"), ("regress", "scatter")):
        assert {path.name for path in (folder / task / "plots").iterdir()} == {
            f"{name}.{kind}" for name in (plot, "loss", "gradient_norm") for kind in ("png", "svg")
        }
        trained = json.loads((folder / task / "evaluation.json").read_text())
        assert json.loads(unrolled("evaluate", folder / task, "--json").out) == trained


def test_evaluate_on_new_files(folder: Path) -> None:
    found = json.loads(unrolled("evaluate", folder / "classify", folder / "new.csv", "--json").out)
    assert found["sequences"] == 60 and [row["class"] for row in found["classes"]] == ["a", "b", "c"]
    shown = unrolled("evaluate", folder / "regress", folder / "new.csv")
    assert "linear model" in shown.out and "R²" in shown.out


def test_predict_writes_probabilities_of_sequences_without_answers(folder: Path) -> None:
    answer = unrolled("predict", folder / "classify", folder / "bare.csv", "-o", folder / "p.csv")
    assert answer.status == 0, answer.err
    frame = pl.read_csv(folder / "p.csv")
    assert frame.columns == ["name", "label", "p(a)", "p(b)", "p(c)"] and frame["name"][59] == "t59"
    assert frame.select(pl.sum_horizontal("p(a)", "p(b)", "p(c)")).to_series().to_numpy() == pytest.approx(1)
    values = json.loads(unrolled("predict", folder / "regress", folder / "bare.csv", "--json").out)
    assert len(values) == 60 and set(values[0]) == {"name", "value"}


def test_a_class_that_training_did_not_hold_is_named(folder: Path) -> None:
    answer = unrolled("evaluate", folder / "classify", folder / "kick.csv")
    assert answer.status == 0 and "with classes that training did not hold" in answer.out
    assert "as wrong: 'd'" in answer.out


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (("evaluate", "classify", "bare.csv"), 1, "bare.csv: no column 'kind'"),
        (("predict", "classify", "none.csv"), 1, "there is no such file"),
        (("train", "classify", "takes.csv", "--target", "kid"), 1, "no column 'kid' (did you mean 'kind'?)"),
        (("train", "classify", "takes.csv", "--target", "kind", "--pooling", "first"), 2, "--pooling: "),
        (("train", "regress", "takes.csv", "--target", "kind"), 1, "wanted a finite number as the answer"),
        (
            ("train", "regress", "takes.csv", "--target", "steps", "--vectors", "x"),
            2,
            "--vectors is for texts",
        ),
        (("train", "classify", "takes.csv", "--target", "kind", "--mels", 0), 2, "--mels: "),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    folder: Path, tmp_path: Path, arguments: tuple[object, ...], status: int, message: str
) -> None:
    names = {"classify", "regress"} if arguments[0] != "train" else set()
    asked = [folder / str(a) if a in names or str(a).endswith(".csv") else a for a in arguments]
    out = ("--out", tmp_path / "run", *OPTIONS) if arguments[0] == "train" else ()
    answer = unrolled(*asked, *out)
    assert answer.status == status, answer.err
    assert message in answer.err and answer.err.count("\n") == 1 and answer.out == ""
    assert not list(tmp_path.iterdir())


def test_the_configuration_of_a_run_repeats_it_to_the_bit(folder: Path) -> None:
    config = folder / "classify" / "config.toml"
    assert unrolled("train", "--config", config, "--out", folder / "repeated").status == 0
    for name in (
        "model.safetensors",
        "metrics.jsonl",
        "scalers.safetensors",
        "config.toml",
        "evaluation.json",
    ):
        assert (folder / "classify" / name).read_bytes() == (folder / "repeated" / name).read_bytes(), name


def write_topics(path: Path, sign: str = "|") -> None:
    """Sixty texts with a label for gold and one for salt, or none."""
    words = [("gold", "silk"), ("salt",), ("straw",), ("gold", "salt", "straw")] * 15
    rows = [f"{' '.join(one)},{sign.join(word for word in ('gold', 'salt') if word in one)}" for one in words]
    path.write_text("\n".join(["text,labels", *rows]) + "\n")


def test_several_labels_from_the_command_line(tmp_path: Path) -> None:
    file, run = tmp_path / "topics.csv", tmp_path / "run"
    write_topics(file)
    small = ("--hidden", 4, "--epochs", 2, "--members", 1, "--embedding-size", 4)
    answer = unrolled("train", "classify", file, "--multi-label", "--out", run, *small)
    assert answer.status == 0, answer.err
    assert "labels: 'gold', 'salt', divided by '|' in cells" in answer.err
    assert {path.stem for path in (run / "plots").iterdir()} == {"labels", "loss", "gradient_norm"}
    found = json.loads((run / "evaluation.json").read_text())
    assert {"micro-F1", "macro-F1", "exact match", "Hamming loss", "LRAP"} < found["table"][0].keys()
    assert unrolled("predict", run, file, "-o", tmp_path / "p.csv").status == 0
    frame = pl.read_csv(tmp_path / "p.csv")
    assert frame.columns == ["name", "label", "p(gold)", "p(salt)"]
    assert set(frame["label"].fill_null("").to_list()) <= {"", "gold", "salt", "gold|salt"}
    assert unrolled("verify", run).status == 0
    assert json.loads(unrolled("evaluate", run, file, "--include-training", "--json").out)["sequences"] == 60


@pytest.mark.parametrize(
    "options, message",
    [
        (("--label-separator", ";"), "--label-separator belongs to --multi-label"),
        (("--multi-label", "--ordinal"), "--ordinal wants one class for each sequence"),
        (("--select", "micro-f1"), "--select micro-f1 belongs to --multi-label"),
        (("--class-order", "a,b"), "--class-order belongs to --ordinal"),
        (("--multi-label", "--label-threshold", 1), "--label-threshold: wanted less than 1"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, options: tuple[object, ...], message: str) -> None:
    write_topics(tmp_path / "topics.csv")
    answer = unrolled("train", "classify", tmp_path / "topics.csv", *options, "--out", tmp_path / "run")
    assert answer.status == 2 and message in answer.err and answer.err.count("\n") == 1, answer.err


def test_the_order_of_classes_from_the_command_line(folder: Path, tmp_path: Path) -> None:
    ranked = ("--target", "kind", "--features", "force", "--ordinal")
    answer = unrolled("train", "classify", folder / "takes.csv", *ranked, *OPTIONS, "--out", tmp_path / "run")
    assert (
        answer.status == 1 and "say the order of the classes, 'a', 'b', 'c', with --class-order" in answer.err
    )
    order = ("--class-order", "b,a,c")
    answer = unrolled(
        "train", "classify", folder / "takes.csv", *ranked, *order, *OPTIONS, "--out", tmp_path / "run"
    )
    assert answer.status == 0 and "MAE in ranks" in answer.out and "median class" in answer.out, answer.err
    shown = json.loads(unrolled("predict", tmp_path / "run", folder / "bare.csv", "--json").out)
    assert list(shown[0]) == ["name", "label", "p(b)", "p(a)", "p(c)"]
