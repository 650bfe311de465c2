"""How the command line answers before any work begins."""

import statistics
import subprocess
import sys
import time


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


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from unrolled.cli import main; sys.argv = ['unrolled', '--help']\n"
        "try: main()\n"
        "except SystemExit: print('torch' in sys.modules, 'polars' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("False False\n")


def test_a_wrong_call_exits_with_2() -> None:
    for arguments in (["trian"], ["train", "forecast"], ["train", "forecast", "x.csv", "--hiden", "3"]):
        answer = run(*arguments)
        assert answer.returncode == 2, answer
        assert "Traceback" not in answer.stderr


def test_the_list_of_tasks_loads_no_torch() -> None:
    code = (
        "import sys; from unrolled.cli import main; sys.argv = ['unrolled', 'train', '--help']\n"
        "try: main()\n"
        "except SystemExit: print('torch' in sys.modules, 'polars' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("False False\n") and "classify" in answer.stdout


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
