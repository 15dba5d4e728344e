"""What people say of a run or a map: a name, a note, and of a map the date of its image."""

from __future__ import annotations

import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import write_text
from geo_xmodal.small_files import SmallFile, first_problem, read_json_object

_FILE = "remark.json"
_KEPT = SmallFile("a name and a note", UsageError, "write them again", 1 << 16)


class Remark(BaseModel):
    """What was said of a thing.

    Attributes:
        name: Shown in place of the name of its folder; empty for that.
        note: Anything.
        date: Of the image that a map was made from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=100)
    note: str = Field(default="", max_length=2000)
    date: datetime.date | None = None

    @field_validator("name")
    @classmethod
    def _on_one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("a name has letters that cannot be shown")
        return value.strip()


def remark(item: Path) -> Remark:
    """What was said of the thing in a folder; nothing where the file is damaged."""
    try:
        return Remark.model_validate(read_json_object(item / _FILE, _KEPT))
    except (UsageError, ValidationError):
        return Remark()


def keep_remark(item: Path, name: str, note: str, date: str = "") -> None:
    """Keep what somebody wrote.

    Args:
        item: The folder of the run or the map.
        name: Its name.
        note: Its note.
        date: As 2024-05-31; empty for none.

    Raises:
        UsageError: It is too long, or no date.
        OutputError: It cannot be written.
    """
    try:
        said = Remark.model_validate({"name": name, "note": note, "date": date or None})
    except ValidationError as error:
        raise UsageError(first_problem(error)) from None
    write_text(item / _FILE, said.model_dump_json() + "\n")


def shown_name(item: Path) -> str:
    """What a run or a map is called on pages."""
    return remark(item).name or item.name
