"""Every workload there is, in the order of measuring."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from unrolled.bench import grid, heads, keeping, overhead, small, streaming, variants
from unrolled.bench.workload import Workload
from unrolled.errors import ConfigError


def registry() -> tuple[Workload, ...]:
    """All workloads; those of heads that unrolled.nn does not have are left out."""
    parts = (grid, variants, keeping, heads, streaming, overhead, small)
    return tuple(workload for part in parts for workload in part.workloads())


def select(
    workloads: Iterable[Workload], only: str | None, quick: bool, small: bool = False
) -> tuple[Workload, ...]:
    """The small calls, or all others, whose name holds `only` (with * and ? as in file names); of them, if
    quick, the quick ones.

    Raises ConfigError where nothing is left.
    """
    workloads = tuple(w for w in workloads if w.small == small)
    chosen = tuple(w for w in workloads if only is None or fnmatchcase(w.name, f"*{only}*"))
    if not chosen:
        groups = ", ".join(dict.fromkeys(f"{w.group}/{w.mode}" for w in workloads))
        listed = "unrolled bench --small --list" if small else "unrolled bench --list"
        raise ConfigError(f"--only {only!r} names no workload; {listed} shows all of {groups}")
    left = tuple(w for w in chosen if w.quick or not quick)
    if not left:
        raise ConfigError(f"--only {only!r} names no quick workload; leave --quick out")
    return left
