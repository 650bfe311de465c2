"""Where figures were measured: the machine, what runs on it, and how fast its matrix products are."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

import unrolled.nn
from unrolled.bench.document import Machine, Peak
from unrolled.kernels import dispatch

PACKAGES = ("torch", "numpy", "onnxruntime", "onnx")
PEAK_SHAPES = ((1024, 1024, 1024), (2048, 2048, 2048), (6400, 512, 1024), (12800, 1024, 2048))
PEAK_RUNS = 5


def describe() -> Machine:
    """This machine, now."""
    return Machine(
        cpu=_cpu_model(),
        cores=cores(),
        isa=_isa(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions={"unrolled": unrolled.__version__}
        | {name: version for name in PACKAGES if (version := _version(name))},
    )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """Runnable processes, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


class Watch:
    """Tells, from its making on, what share of the time of all cores went to other programs."""

    def __init__(self) -> None:
        self.begun, self.others_begun = time.monotonic(), _others_seconds()

    def share(self) -> float | None:
        """0 to 1; None where the system does not tell."""
        others = _others_seconds()
        if others is None or self.others_begun is None:
            return None
        whole = (time.monotonic() - self.begun) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, (others - self.others_begun) / whole))


def _others_seconds() -> float | None:
    """Processor time that was spent by all programs but this one."""
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _waiting, interrupt, soft, steal = map(int, first[1:9])
    spent = (user + nice + system + interrupt + soft + steal) / os.sysconf("SC_CLK_TCK")
    return spent - time.process_time()


def peaks(threads: int) -> list[Peak]:
    """The best rate of torch.mm, and of our own product, over a few large shapes."""
    found = [Peak(threads=threads, product="torch.mm", gflops=max(_rate(_mm(s), s) for s in PEAK_SHAPES))]
    linear: Callable[[int, int], torch.nn.Module] | None = getattr(unrolled.nn, "Linear", None)
    if linear is not None:
        ours = max(_rate(_linear(linear, s), s) for s in PEAK_SHAPES)
        found.append(Peak(threads=threads, product="unrolled.nn.Linear", gflops=ours))
    return found


def _mm(shape: tuple[int, int, int]) -> Callable[[], object]:
    M, K, N = shape
    a, b = torch.randn(M, K), torch.randn(K, N)
    return lambda: torch.mm(a, b)


def _linear(
    linear: Callable[[int, int], torch.nn.Module], shape: tuple[int, int, int]
) -> Callable[[], object]:
    M, K, N = shape
    x, layer = torch.randn(M, K), linear(K, N)
    return lambda: layer(x)


@torch.inference_mode()
def _rate(product: Callable[[], object], shape: tuple[int, int, int]) -> float:
    """GFLOP/s of the fastest of a few runs."""
    product()
    seconds = []
    for _ in range(PEAK_RUNS):
        begun = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - begun)
    M, K, N = shape
    return 2e-9 * M * K * N / min(seconds)


def _cpu_model() -> str:
    """As the kernel of the system names it, with the numbers that tell its generation."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(_field(line) for line in lines)
    numbers = ", ".join(f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields)
    name = fields.get("model name", platform.machine())
    return f"{name} ({numbers})" if numbers else name


def _field(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()


def _isa() -> str:
    if dispatch.MISSING is not None:
        return "none: " + dispatch.MISSING
    from unrolled.kernels import _cpu

    return _cpu.isa()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
