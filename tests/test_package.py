"""What `import unrolled` gives, and what it must not cost."""

import importlib.metadata
import subprocess
import sys

import pytest

import unrolled


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(output.split())


def test_importing_loads_no_heavy_module() -> None:
    heavy = {"torch", "numpy", "polars", "pydantic", "matplotlib", "typer", "rich"}
    assert not heavy & loaded_after("import unrolled")


def test_the_compiled_kernels_need_no_torch() -> None:
    loaded = loaded_after("import unrolled.kernels, unrolled.kernels._cpu")
    assert "unrolled.kernels._cpu" in loaded
    assert "torch" not in loaded


def test_every_public_name_is_there() -> None:
    for name in unrolled.__all__:
        assert getattr(unrolled, name) is not None
    assert dir(unrolled) == sorted(unrolled.__all__)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="no attribute 'forecaster'; it has Captioner, Classifier"):
        unrolled.forecaster  # noqa: B018


def test_the_version_is_the_installed_one() -> None:
    assert importlib.metadata.version("unrolled") == unrolled.__version__
