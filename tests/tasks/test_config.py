"""Configurations: options by name, one-line refusals, and the way to TOML and back."""

import re
import subprocess
import sys
import tomllib

import pytest
import tomli_w
from pydantic import TypeAdapter

from unrolled.cells import CELLS
from unrolled.errors import ConfigError
from unrolled.tasks import TASKS, config_class
from unrolled.tasks.config import from_options, from_sections, sections, to_sections
from unrolled.tasks.forecast.config import ForecastConfig

*FIRST, LAST = CELLS


@pytest.mark.parametrize("task", TASKS)
def test_field_names_are_unique_and_described(task):
    kind = config_class(task)
    fields = [
        (name, field) for section in sections(kind).values() for name, field in section.model_fields.items()
    ]
    names = [name for name, _ in fields]
    assert len(names) == len(set(names)) and len(names) > 20
    assert all(field.description for _, field in fields)


@pytest.mark.parametrize("task", TASKS)
def test_defaults_are_valid_and_survive_toml(task):
    config = config_class(task)()
    text = tomli_w.dumps(to_sections(config))
    assert from_sections(type(config), tomllib.loads(text)) == config


def test_options_find_their_sections():
    config = from_options(ForecastConfig, {"target": "OT", "hidden": 7, "window": 5, "epochs": 3})
    assert (config.data.target, config.model.hidden) == (("OT",), 7)
    assert (config.forecast.window, config.training.epochs) == (5, 3)


def test_a_changed_configuration_survives_toml():
    options = {"cell": "lstm", "forget_bias": 1.5, "quantile_levels": (0.1, 0.5, 0.6), "past": ("a", "b")}
    config = from_options(
        ForecastConfig,
        options
        | {"strategy": "recursive", "horizon": 1, "validation": 30, "level": ("relative", "absolute")},
    )
    text = tomli_w.dumps(to_sections(config))
    assert from_sections(ForecastConfig, tomllib.loads(text)) == config


@pytest.mark.parametrize(
    "options, message",
    [
        ({"windw": 3}, "there is no option 'windw' (did you mean 'window'?)"),
        ({"window": 0}, "window: wanted 1 or more, got 0"),
        ({"window": "many"}, "window: wanted a whole number, got 'many'"),
        ({"cell": "gruu"}, f"cell: wanted {', '.join(map(repr, FIRST))} or {LAST!r}, got 'gruu'"),
        ({"test": float("nan")}, "test: wanted a finite number, got nan"),
        ({"bidirectional": True}, "forecast takes no bidirectional layers"),
        (
            {"past": ("wind",), "strategy": "recursive"},
            "past columns ('wind') of those steps; set strategy='direct', or horizon=1, or leave past out",
        ),
        (
            {"past": ("wind",), "output": "bernoulli"},
            "past columns ('wind') of those steps; set strategy='direct', or horizon=1, or leave past out",
        ),
        ({"quantile_levels": (0.1, 0.9)}, "quantile_levels: wanted rising numbers"),
        ({"quantile_levels": (0.5, 0.1, 0.9)}, "quantile_levels: wanted rising numbers"),
        ({"sha256": "abc"}, "sha256: "),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ConfigError) as caught:
        from_options(ForecastConfig, options)
    text = str(caught.value)
    assert message in text and "\n" not in text and caught.value.exit_status == 2


@pytest.mark.parametrize(
    "values, message",
    [
        ({"modle": {}}, "there is no option 'modle' (did you mean 'model'?)"),
        ({"model": {"hiden": 3}}, "there is no option 'hiden' (did you mean 'hidden'?)"),
        ({"model": 3}, "section 'model': wanted a table, got 3"),
    ],
)
def test_refusals_of_a_file(values, message):
    with pytest.raises(ConfigError) as caught:
        from_sections(ForecastConfig, values)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_open_configuration_has_no_plan():
    with pytest.raises(ConfigError, match="window is open"):
        ForecastConfig().plan()


@pytest.mark.parametrize("task", ["forecast", "detect", "transcribe", "translate", "caption"])
def test_a_configuration_loads_no_torch(task):
    code = f"import sys, unrolled.tasks as t; t.config_class('{task}')(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("task", TASKS)
def test_a_file_that_an_option_names_is_found_from_any_folder(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for section in sections(config_class(task)).values():
        for name, field in section.model_fields.items():
            if re.search(r"\bfile of\b|\bIDX file\b", field.description) and field.default is None:
                value = TypeAdapter(field.annotation).validate_python("near.txt")
                assert value == str(tmp_path / "near.txt"), name
