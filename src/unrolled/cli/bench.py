"""`unrolled bench`: measures, or takes what was measured before, and shows it."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from unrolled.bench import page
from unrolled.bench.document import Document, joined, read
from unrolled.bench.measuring import check_threads, measure
from unrolled.bench.registry import registry, select
from unrolled.bench.workload import Workload
from unrolled.cli import printing
from unrolled.console import note, say
from unrolled.errors import ConfigError, DisagreementError
from unrolled.files import atomic


def run(
    only: str | None,
    threads: str | None,
    quick: bool,
    small: bool,
    sources: list[Path],
    out: Path | None,
    docs: Path | None,
    json: bool,
) -> None:
    """Shows the figures and writes what was asked for. DisagreementError at the end where any was refused."""
    _check_folders(out, docs)
    if sources and (only or threads or quick or small):
        raise ConfigError("--from shows all of its files; leave out --only, --threads, --quick and --small")
    if sources:
        document = joined({path: read(path) for path in sources})
    else:
        document = _measure(select(registry(), only, quick, small), threads, quick)
    if json:
        printing.as_json(page.content(document))
    else:
        show(document)
    written = page.write(document, out) if out else []
    if docs:
        atomic.write_text(docs, page.markdown(document))
        written.append(docs)
    for path in written:
        note(f"wrote {path}")
    if refused := document.refusals():
        names = ", ".join(f"{r.name} at {page.at(r.threads)} ({r.refused})" for r in refused)
        raise DisagreementError(f"peers disagree, so there is no figure for {names}; report it as a defect")


def show_names(only: str | None, quick: bool, small: bool, json: bool) -> None:
    """The names of the workloads."""
    names = [workload.name for workload in select(registry(), only, quick, small)]
    if json:
        printing.as_json(names)
    else:
        say(*names)


def show(document: Document) -> None:
    """Tables and sentences for a person."""
    for title, rows in page.tables(document):
        say("")
        printing.table(rows, title)
    if rows := page.summary_rows(document):
        say("")
        printing.table(rows, "Against the targets")
    if lines := page.losses(document):
        say("", "Where a peer is faster", *(f"  {line}" for line in lines))
    say("", *page.about(document), *page.gaps(document))


def _measure(workloads: tuple[Workload, ...], threads: str | None, quick: bool) -> Document:
    counts = _counts(threads)
    with _progress() as report:
        return measure(workloads, counts, quick, report)


def _counts(threads: str | None) -> list[int]:
    """--threads 1,2 -> [1, 2]; torch's own number where it is left out."""
    import torch

    if threads is None:
        return [torch.get_num_threads()]
    try:
        counts = [int(part) for part in threads.split(",")]
    except ValueError:
        raise ConfigError(f"--threads {threads!r}: wanted numbers such as 2, or 1,2") from None
    check_threads(counts)
    return list(dict.fromkeys(counts))


def _check_folders(*paths: Path | None) -> None:
    """ConfigError, before minutes are spent, where there is no folder to write to."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """Takes the number done, that of all, and a name; draws a bar where somebody is looking."""
    if not sys.stderr.isatty():
        yield lambda done, total, name: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # Drawn between workloads alone: a thread that refreshes it would take time from what is measured.
    with Progress(console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
        task = bar.add_task("")

        def report(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name, refresh=True)

        yield report
