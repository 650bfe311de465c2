"""Writes the blocks of networks into docs/streaming.md from their definitions, for readers elsewhere.

python scripts/describe_blocks.py            between the two marks of the page
python scripts/describe_blocks.py --check    exits 1 where the page says something else
"""

import importlib
import inspect
import pkgutil
import re
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

from unrolled import blocks
from unrolled.blocks.block import BLOCKS, Block

PAGE = Path(__file__).parents[1] / "docs" / "streaming.md"
BEGIN, END = "<!-- blocks: written by scripts/describe_blocks.py -->\n", "<!-- end of blocks -->\n"


def main() -> int:
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = before + BEGIN + described() + END + after
    if "--check" in sys.argv[1:]:
        return int(page != wanted)
    PAGE.write_text(wanted)
    return 0


def described() -> str:
    """A section for each file of blocks: its equations, then each block with its fields."""
    sections = []
    for one in pkgutil.iter_modules(blocks.__path__):
        module = importlib.import_module(f"unrolled.blocks.{one.name}")
        members = [block for block in BLOCKS.values() if block.__module__ == module.__name__]
        members = [block for block in members if not inspect.isabstract(block)]
        if members and not one.name.startswith("_"):  # but the one to copy
            sections.append("\n".join([fenced(module.__doc__ or ""), *map(entry, members)]))
    return "\n".join(sections)


def entry(block: type[Block]) -> str:
    hints = get_type_hints(block)
    names = [f"`{one.name}` {kind(hints[one.name])}{default(one)}" for one in fields(block)]
    return f"**{block.__name__}**: {', '.join(names)}.\n\n{fenced(inspect.getdoc(block) or '')}"


def fenced(text: str) -> str:
    return f"```text\n{text.strip()}\n```\n"


def kind(hint: object) -> str:
    """A type without the modules in front of it."""
    return re.sub(
        r"[\w.]+\.(?=[A-Z])", "", str(getattr(hint, "__name__", hint) if isinstance(hint, type) else hint)
    )


def default(one: Any) -> str:
    return "" if one.default is MISSING else f" = {one.default}"


if __name__ == "__main__":
    sys.exit(main())
