"""Figures as PNG files, in the colours of the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from geo_xmodal.outputs import new_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#222222"
QUIET = "#8a9099"
FIRST, SECOND = "#165f85", "#b04c10"
"""A pair that every common colour vision tells apart."""


@contextmanager
def figure(out: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure to draw on, written to `out` as PNG when the block ends well.

    Args:
        out: The file.
        width: In inches.
        height: In inches.

    Raises:
        OutputError: The picture cannot be written.
    """
    made = empty_figure(width, height)
    yield made
    with new_file(out) as beside:
        save_figure(made, beside)


def empty_figure(width: float, height: float) -> Figure:
    """A figure that needs no screen, sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def save_figure(made: Figure, path: Path) -> None:
    """Write a figure as PNG, the same bytes for the same picture."""
    # matplotlib's own tag holds its version: it would change the bytes of an unchanged picture
    made.savefig(path, format="png", dpi=150, metadata={"Software": None})
