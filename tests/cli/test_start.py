"""How the command line answers before any work begins."""

import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from unrolled import __version__

from .command import unrolled


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "unrolled", *arguments], capture_output=True, text=True)


def test_help_answers_in_half_a_second() -> None:
    run("--help")  # compiles the byte code
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        answer = run("--help")
        seconds.append(time.perf_counter() - start)
        assert answer.returncode == 0
        assert "forecast" in answer.stdout or "train" in answer.stdout
    assert statistics.median(seconds) < 0.5, seconds


@pytest.mark.parametrize("module", ["unrolled", "unrolled.runtime"])
def test_version_names_versions_and_loads_nothing(module: str) -> None:
    code = (
        f"import runpy, sys; sys.argv = ['{module}', '--version']\n"
        f"try: runpy.run_module('{module}', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end\n"
        "assert not {'torch', 'polars', 'typer'} & sys.modules.keys()"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    python = ".".join(map(str, sys.version_info[:3]))
    assert answer.stdout == f"unrolled {__version__}, Python {python}, torch {version('torch')}\n"


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from unrolled.cli import main; sys.argv = ['unrolled', '--help']\n"
        "try: main()\n"
        "except SystemExit: print('torch' in sys.modules, 'polars' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("False False\n")


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("trian", "wanted one of evaluate, predict, generate, stream, export, verify, "),
        ("transcribe a.csv", "transcribe is a task; wanted unrolled train transcribe"),
        ("--hiden", "--hiden"),
        ("train foo", "classify, detect, forecast, language, regress, tag, transcribe, translate, got 'foo'"),
        ("train forecast x.csv --hiden 3", "--hidden"),
        ("predict", "RUN"),
        ("predict runs/x --beeam 3", "--beam"),
        ("export runs/x --to", "--to"),
        ("train forecast x.csv --hidden", "requires an argument; see unrolled train forecast --help"),
        ("train --out", "requires an argument; see unrolled train --help"),
        ("train --out r forecast x.csv", "wanted no --out before forecast"),
        ("train --json forecast x.csv", "wanted no --json before forecast"),
        ("train --resume r --out s", "wanted no --out beside --resume"),
        ("train --resume r --config c.toml", "wanted no --config beside --resume"),
        ("generate runs/x --length 0", "--length"),
        ("stream", "RUN|FILE"),
        ("stream x --next 0", "--next: wanted a number from 1, got '0'"),
        ("stream x --every 0s", "--every: wanted lines such as 100, or seconds such as 60s, got '0s'"),
    ],
)
def test_a_wrong_call_is_told_in_a_line_and_exits_with_2(call: str, complaint: str) -> None:
    answer = unrolled(*call.split())
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("unrolled: ") and answer.err.endswith(" --help\n")
    assert answer.err.count("\n") == 1 and complaint in answer.err


@pytest.mark.parametrize("call", ["", "train", "train classify"])
def test_a_call_without_what_is_needed_shows_the_help(call: str) -> None:
    answer = unrolled(*call.split())
    assert answer.status == 2 and "Usage: unrolled" in answer.out + answer.err and "Example" in answer.out


def test_the_list_of_tasks_loads_no_torch() -> None:
    code = (
        "import sys; from unrolled.cli import main; sys.argv = ['unrolled', 'train', '--help']\n"
        "try: main()\n"
        "except SystemExit: print('torch' in sys.modules, 'polars' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("False False\n") and "classify" in answer.stdout


def test_training_loads_no_compiler(tmp_path: Path) -> None:
    file = tmp_path / "waves.csv"
    rows = [f"{k},{t},{(t * (k % 2 + 1)) % 5},{'ab'[k % 2]}" for k in range(20) for t in range(6)]
    file.write_text("\n".join(["id,t,x,y", *rows]))
    words = ["train", "classify", str(file), "--id", "id", "--time", "t", "--target", "y"]
    argv = ["unrolled", *words, "--epochs", "1", "--out", str(tmp_path / "run"), "--json"]
    code = (
        f"import sys; from unrolled.cli import main; sys.argv = {argv}\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, 'torch._dynamo' in sys.modules, file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stderr == "True False\n"  # the compiler takes seconds to import
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    code = (
        "import subprocess, sys\n"
        "a = subprocess.Popen([sys.executable, '-m', 'unrolled', 'kernels'], "
        "stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "a.stdout.close()\n"
        "print(repr(a.stderr.read()), a.wait())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "b'' 1\n"
