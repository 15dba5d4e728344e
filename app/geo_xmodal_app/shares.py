"""What a map should be right about, as the pages that train and map ask it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

import geo_xmodal as gx
from geo_xmodal.types import LandClass
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.texts import literal

_DEFAULT, _TABLE = "", "table"
_FILE = "known-areas.csv"
_PER_ROW = 4


@dataclass(frozen=True)
class Shares:
    """An answer.

    Attributes:
        choice: Of class shares; empty for the default.
        areas: Known areas by class id, where these are given.
        problem: Why it is no answer yet; empty where it is one.
    """

    choice: str = _DEFAULT
    areas: Mapping[int, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def asked(self) -> dict[str, Any]:
        """The option as a request has it; a table has its name in the folder of what is made."""
        if self.choice == _DEFAULT:
            return {}
        return {"shares": _FILE if self.choice == _TABLE else self.choice}

    def written(self, folder: Path) -> dict[str, Any]:
        """The same, with a table of known areas in a folder, where one is given."""
        if self.choice != _TABLE:
            return self.asked
        with (folder / _FILE).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("id", "area"), *self.areas.items()])
        return {"shares": folder / _FILE}


def ask_shares(default: str, classes: Sequence[LandClass], form: Form) -> Shares:
    """Ask what the map should be right about.

    Args:
        default: What is done where nobody says, in words.
        classes: Of the map, for known areas.
        form: Takes the fields.
    """
    words: dict[str, str] = {_DEFAULT: default} | {str(k): v for k, v in gx.SHARE_CHOICES.items()}
    shown = {name: text[:1].upper() + text[1:] for name, text in words.items()}
    choice = form.ask(Field("shares", "choice", gx.SHARE_QUESTION, _DEFAULT, shown, help=_HELP))
    if choice != _TABLE:
        return Shares(choice)
    st.caption("The area of each class, in any unit; 0 for one that is not there.")
    areas = {}
    for start in range(0, len(classes), _PER_ROW):
        for column, land in zip(st.columns(_PER_ROW), classes[start : start + _PER_ROW], strict=False):
            asked = Field(f"area {land.id}", "number", literal(land.name), 0.0, low=0.0, step=0.01)
            areas[land.id] = form.ask(asked, column)
    return Shares(choice, areas, "" if any(areas.values()) else "give the known area of each class")


_HELP = "One model makes maps with any class shares: nothing is trained again for others."
