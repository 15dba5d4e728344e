"""What an explanation is made of: plain values, and the figures and rasters beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JSON_NAME, PAGE_NAME = "explanation.json", "explanation.html"


@dataclass(frozen=True)
class Table:
    """A table of the page: numbers are written with three digits, the rest as it is."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]


@dataclass(frozen=True)
class Routine:
    """What one routine found.

    Attributes:
        name: As the option `routines` and explanation.json have it.
        title: Of its section on the page.
        says: The finding in a sentence or two.
        numbers: What goes into explanation.json.
        draw: Draws the figure into a file.
        caption: Of the figure.
        tables: Of the page.
        rasters: Name of each GeoTIFF and what writes it.
    """

    name: str
    title: str
    says: str
    numbers: Mapping[str, Any]
    draw: Callable[[Path], None]
    caption: str
    tables: tuple[Table, ...] = ()
    rasters: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)

    @property
    def picture(self) -> str:
        """Name of the figure's file."""
        return f"{self.name}.png"


@dataclass(frozen=True)
class Explanation:
    """What a model looks at.

    Attributes:
        title: Heading of the page.
        about: What was explained, and on which pixels; plain values, ready for JSON.
        facts: The same for people, a line each.
        routines: What each routine found, in their order.
        left_out: Why a routine has nothing to say of the model, by its name.
        notes: What should be known beside, a line each.
    """

    title: str
    about: Mapping[str, Any]
    facts: Mapping[str, str]
    routines: tuple[Routine, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """Name of the HTML page."""
        return PAGE_NAME

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files, in the folder that they were written to."""
        own = [name for one in self.routines for name in (one.picture, *one.rasters)]
        return (JSON_NAME, PAGE_NAME, *own)

    def as_dict(self) -> dict[str, Any]:
        """The content of explanation.json."""
        return {
            **self.about,
            "routines": {
                one.name: {"says": one.says, **one.numbers, "files": [one.picture, *one.rasters]}
                for one in self.routines
            },
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }


def rounded(values: Sequence[float]) -> list[float | None]:
    """Numbers for JSON: six significant digits, None where there is none."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def percent(gap: float) -> str:
    """A completeness gap for people."""
    return "less than 0.01 %" if gap < 1e-4 else f"{100 * gap:.2f} %"
