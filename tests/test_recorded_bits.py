"""scripts/record_bits.py: two records by the same code are equal to the bit, whatever differs is told, and
its runs have every option of every task."""

import json
import os
import re
import shutil
import subprocess
import sys
import typing
from itertools import pairwise

import pytest
from safetensors.numpy import load_file, save_file

from tests.scripts import SCRIPTS, script
from unrolled.tasks import TASKS, config_class

RUN = "forecast-counts"
WEIGHTS = "run/model.safetensors"
# Where files are, how they are encoded and how long is trained: no run is told of them by an option.
FILES = {"files", "validation_files", "test_files", "encoding", "sha256", "split_seed", "labels"}
COLUMNS = {"source_column", "target_column"}


bits, compared = script("record_bits"), script("compared_bits")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """The same run recorded twice, by a process without the threads of this one."""
    folders = [tmp_path_factory.mktemp(name) for name in ("before", "after")]
    done = subprocess.run(
        [sys.executable, SCRIPTS / "record_bits.py", "record", *folders, "--only", RUN],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=250,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
    )
    assert done.returncode == 0, done.stdout
    return folders


@pytest.fixture
def changed(records, tmp_path):
    """Both, the second in a copy that a test may change."""
    shutil.copytree(records[1], tmp_path / "after")
    return records[0], tmp_path / "after"


def differences(before, after):
    return [str(one) for one in bits.compare(before, after) if not one.renamed]


def test_two_records_by_the_same_code_are_equal(records, capsys):
    assert bits.main(["compare", *map(str, records)]) == 0
    assert capsys.readouterr().out == "0 of 1 runs differ, arrays renamed: 0\n"
    place = records[0] / RUN
    assert set(json.loads((place / "verified.json").read_text()).values()) == {True}
    assert (place / "asked/stream-0.txt").read_text().count("forecast") == 150
    assert load_file(place / "half.state") and load_file(place / WEIGHTS)


@pytest.mark.parametrize("path", [WEIGHTS, "run/scalers.safetensors", "half.state", "end.state"])
def test_one_bit_of_an_array_is_told(changed, path):
    before, after = changed
    file = after / RUN / path
    arrays = load_file(file)
    name = max(name for name in arrays if arrays[name].size and name != compared.NOTES)
    flat = arrays[name].reshape(-1).view("u1")
    flat[0] ^= 1
    save_file(arrays, file)
    (said,) = differences(before, after)
    assert said.startswith(f"{RUN}: {path}: {name} differs, |Δ| up to ")


@pytest.mark.parametrize("path", ["asked/0-predict.txt", "asked/stream-0.txt", "run/metrics.jsonl"])
def test_one_digit_that_is_said_is_told(changed, path):
    before, after = changed
    file = after / RUN / path
    text = file.read_text()
    at = max(place.start() for place in re.finditer("[1-8]", text))
    file.write_text(f"{text[:at]}{int(text[at]) + 1}{text[at + 1 :]}")
    (said,) = differences(before, after)
    assert said.startswith(f"{RUN}: {path}: character {at}: ")


def test_of_an_evaluation_figures_are_compared_and_no_sentences(changed):
    before, after = changed
    file = after / RUN / "asked/1-evaluate.txt"
    text = file.read_text()
    assert "no clear difference" in text and '"rmse": 0.' in text
    file.write_text(text.replace("no clear difference", "hardly a difference"))
    assert differences(before, after) == []
    file.write_text(text.replace('"rmse": 0.', '"rmse": 1.'))
    (said,) = differences(before, after)
    assert said.startswith(f"{RUN}: asked/1-evaluate.txt: character ")


def test_another_name_for_the_same_array_is_no_difference(changed, capsys):
    before, after = changed
    file = after / RUN / WEIGHTS
    arrays = load_file(file)
    arrays["output.weight"] = arrays.pop("head.weight")
    save_file(arrays, file)
    assert bits.main(["compare", str(before), str(after)]) == 0
    out = capsys.readouterr().out
    assert f"{RUN}: {WEIGHTS}: head.weight is renamed output.weight\n" in out
    assert out.endswith("0 of 1 runs differ, arrays renamed: 1\n")


def test_what_is_missing_or_new_is_told(changed, tmp_path, capsys):
    before, after = changed
    (after / RUN / "half.state").unlink()
    file = after / RUN / WEIGHTS
    arrays = load_file(file)
    arrays["other"] = arrays.pop("head.bias") + 1
    save_file(arrays, file)
    assert differences(before, after) == [
        f"{RUN}: half.state is only in {before / RUN}",
        f"{RUN}: {WEIGHTS}: head.bias (2,) is gone, under any name",
        f"{RUN}: {WEIGHTS}: other (2,) is new",
    ]
    assert bits.main(["compare", str(before), str(after)]) == 1
    assert "1 of 1 runs differ" in capsys.readouterr().out
    assert differences(before, tmp_path) == [f"{RUN}: is not recorded again"]


def choices(annotation):
    """The values of all literals in it."""
    if typing.get_origin(annotation) is typing.Literal:
        return {str(value) for value in typing.get_args(annotation)}
    return set().union(*map(choices, typing.get_args(annotation)))


def chosen(run):
    """(option, value) of a run, and of what it is asked; of options without a value "on"."""
    for words in (run.options, *run.asked):
        for word, value in pairwise([*words, "--"]):
            if word.startswith("--"):
                yield word[2:].replace("-", "_"), "on" if value.startswith("--") else value


def test_every_value_of_every_option_comes_up():
    """Each in some task: cells, directions and merges are the same for all."""
    used, missing = set(), []
    for run in bits.RUNS.values():
        used |= set(chosen(run))
    names = {name for name, _ in used}
    for task in TASKS:
        for title, section in config_class(task).model_fields.items():
            for name, field in section.annotation.model_fields.items():
                hidden = (field.json_schema_extra or {}).get("hidden")
                if title == "training" or name in FILES | COLUMNS or hidden:
                    continue
                missing += [] if name in names else [(task, name)]
                others = choices(field.annotation) - {str(field.default)}
                missing += [(task, name, value) for value in others if (name, value) not in used]
    assert not missing
