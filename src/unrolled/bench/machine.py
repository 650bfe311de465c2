"""Where figures were measured: the machine, what runs on it, and how fast its matrix products are."""

import contextlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from functools import partial
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
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    versions = {"unrolled": unrolled.__version__}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


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
        seconds = (time.monotonic() - self.begun) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, (others - self.others_begun) / seconds))


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
    rates: dict[str, list[float]] = {"torch.mm": [], "unrolled.nn.Linear": []}
    for M, K, N in PEAK_SHAPES:
        a, b, layer = torch.randn(M, K), torch.randn(K, N), unrolled.nn.Linear(K, N)
        rates["torch.mm"].append(_rate(partial(torch.mm, a, b), (M, K, N)))
        rates["unrolled.nn.Linear"].append(_rate(partial(layer, a), (M, K, N)))
    return [Peak(threads=threads, product=name, gflops=max(each)) for name, each in rates.items()]


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
    pairs = (line.partition(":") for line in lines)
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    numbers = ", ".join(f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields)
    name = fields.get("model name", platform.machine())
    return f"{name} ({numbers})" if numbers else name


def _isa() -> str:
    if dispatch.MISSING is not None:
        return "none: " + dispatch.MISSING
    from unrolled.kernels import _cpu

    return _cpu.isa()
