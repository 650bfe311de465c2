"""Data that ship with the package; README.md beside them names their sources."""

from importlib.resources import files
from pathlib import Path


def sunspots() -> Path:
    """The yearly mean sunspot numbers of 1700 to 2008, a CSV with the columns year and sunspots."""
    return Path(str(files(__name__) / "sunspots.csv"))
