"""What `import unrolled` gives, and what it must not cost."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

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


ROOT = Path(unrolled.__file__).parent
LISTS = list(ROOT.rglob("__init__.py"))


@pytest.mark.parametrize("path", LISTS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_packages_list_names_what_it_holds(path: Path) -> None:
    """Lines such as "loop.py   the training", or "loop   the training"."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    held = {item.stem for item in path.parent.iterdir()}
    assert {line[1] for line in re.finditer(r"^(\w+)(?:\.py|/)?  +\S", text, re.M)} <= held


def test_the_docs_name_files_that_are_there() -> None:
    project = Path(__file__).parents[1]
    pages = [*(project / "docs").glob("*.md"), project / "README.md", project / "CONTRIBUTING.md"]
    folders = [project / name for name in ("src", "tests", "scripts", "benchmarks", "examples", "docs")]
    there = {path.name for path in project.iterdir()}
    there |= {path.name for folder in folders for path in folder.rglob("*.*")}
    for page in pages:
        named = set(re.findall(r"\[(\w+\.(?:py|md|sh|cpp))\]", page.read_text()))
        assert named <= there, f"{page.name}: {named - there}"
