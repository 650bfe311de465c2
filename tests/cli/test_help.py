"""`train TASK --help` shows what most people change, `--help-all` every option with what it does."""

import re

import pytest

from unrolled.cli.options import short_help
from unrolled.cli.training import NO_OPTIONS
from unrolled.tasks import TASKS, config_class
from unrolled.tasks.config import sections

from .command import unrolled

MOST, LEAST = 14, 9


def fields(task):
    """The options of a task: name -> its section and field."""
    return {
        name: (section, field)
        for section, model in sections(config_class(task)).items()
        for name, field in model.model_fields.items()
        if name not in NO_OPTIONS and not (field.json_schema_extra or {}).get("hidden")
    }


def shown(task, option, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")  # each description in one line
    answer = unrolled("train", task, option)
    assert answer.status == 0, answer.err
    return answer.out


def named(text):
    return {name.replace("-", "_") for name in re.findall(r"│ --([a-z][\w-]*)", text)}


@pytest.mark.parametrize("task", TASKS)
class TestHelp:
    def test_the_short_one_has_about_a_dozen(self, task, monkeypatch):
        text, short = shown(task, "--help", monkeypatch), short_help(config_class(task))
        assert named(text) == short | {"out", "help", "help_all"}
        assert LEAST <= len(short) <= MOST
        assert short <= fields(task).keys()
        assert f"Show all {len(fields(task))} options of {task}, in groups" in text
        assert "Example: unrolled train" in text

    def test_the_long_one_has_all_in_groups_with_what_each_does(self, task, monkeypatch):
        text = shown(task, "--help-all", monkeypatch)
        own = {"config", "out", "most_values", "json", "help", "help_all"}
        assert named(text) == fields(task).keys() | own
        group = ""
        lines = {}
        for line in text.splitlines():
            if match := re.match(r"╭─ (\w+) ", line):
                group = match[1].lower()
            if match := re.match(r"│ --([a-z][\w-]*)", line):
                lines[match[1].replace("-", "_")] = (group, line)
        for name, (section, field) in fields(task).items():
            assert lines[name][0] == section
            assert field.description and field.description.rstrip(".")[:120] in lines[name][1], name

    def test_no_option_only_names_what_it_is(self, task):
        """A few words name a thing; what it does to the answer takes more."""
        assert not [name for name, (_, field) in fields(task).items() if len(field.description) < 40]


def test_an_option_that_the_short_help_leaves_out_is_an_option(tmp_path):
    answer = unrolled("train", "classify", tmp_path / "none.csv", "--momentum", 0.5)
    assert answer.status == 2 and "momentum belongs to" in answer.err.replace("--", "")
    assert unrolled("train", "classify", "--help-all", tmp_path / "none.csv").status == 0
