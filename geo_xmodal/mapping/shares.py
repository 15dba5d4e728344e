"""Whose class shares a map has: as the card of the model says, or as a user asks."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geo_xmodal.bundle import Card, SharesEntry
from geo_xmodal.class_shares import Choice, ClassShares, as_shares, equal_shares, estimated_shares
from geo_xmodal.errors import ClassSharesError, UsageError
from geo_xmodal.mapping.area import AreaReader
from geo_xmodal.mapping.seen import TILE, read_seen, scene_window
from geo_xmodal.raster import WindowReader
from geo_xmodal.small_files import SmallFile, file_errors, read_text, shortened
from geo_xmodal.types import FloatArray, LandClass, Window, lattice
from geo_xmodal.wording import names_text

if TYPE_CHECKING:
    from geo_xmodal.mapping.engine import Classifier

Areas = Mapping[str, float] | Mapping[int, float]
"""Known areas, in any unit, by class id or name."""

Shares = str | Path | Areas
"""`labels`, `equal`, `estimated`, a table of known areas (CSV), or these areas by class id or name."""

NAMED_SHARES: tuple[Choice, ...] = ("labels", "equal", "estimated")
"""What can be asked for without a table."""

_TABLE = SmallFile(
    "a table of known areas (CSV with a header: class, id or name; share or area)",
    ClassSharesError,
    "correct the table",
    1 << 20,
)
_CLASS_COLUMNS, _SHARE_COLUMNS = ("id", "class", "name"), ("share", "area")
_DELIMITERS = ",;\t"
_MAX_ROWS = 10_000
_WHOLES = (1.0, 100.0)
_NEARLY = 0.02
"""Part of the whole by which shares may miss it, as tables are rounded."""

_PER_SIDE = (4, 8, 16)
_ENOUGH_PIXELS = 4096
"""Windows of a grid along each side that are looked at; more of them until so many pixels have data."""

_MAX_PIXELS = 20_000

_SHARES = Annotated[float, Field(ge=0, le=1)]


class _Recorded(BaseModel):
    """What a map's tag, or the journal of one in work, says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choice: Choice
    shares: dict[int, _SHARES]


def known_shares(card: Card, asked: Shares | None) -> ClassShares | None:
    """The class shares that are asked for, where they do not depend on what is mapped.

    Args:
        card: Of the model.
        asked: None for the card's default.

    Returns:
        None where the model is to be taken as it is: the card does not say what it has learned, and nothing
        is asked for.

    Raises:
        ClassSharesError: The card does not say it and something is asked for; the shares are to be estimated;
            or a table does not fit the model.
        UsageError: There is neither a choice nor a file of that name.
    """
    if _is_estimated(card, asked):
        raise ClassSharesError(
            "estimated class shares are those of what is mapped, and nothing is: choose the shares of the "
            "labels, equal shares, or give a table of known areas"
        )
    entry = card.shares
    if entry is None:
        if asked is None:
            return None
        raise ClassSharesError(
            "the model's card does not say what the labels of each class weighed in training, so that class "
            "shares cannot be changed: train it again, or map with the shares that it has"
        )
    if asked is None and entry.table is not None:
        return _with(entry, "table", entry.table)
    chosen = read_shares(entry.default if asked is None else asked)
    if chosen == "labels":
        return _with(entry, "labels", _of_learned(entry.labels, entry.learned))
    if chosen == "equal":
        return _with(entry, "equal", equal_shares(entry.learned))
    return _with(entry, "table", table_shares(cast(Areas, chosen), card.legend, entry.learned))


def shares_for(
    card: Card, asked: Shares | None, sample: Callable[[], npt.NDArray[np.floating]]
) -> ClassShares | None:
    """The class shares of a map.

    Args:
        card: Of the model.
        asked: None for the card's default.
        sample: Gives the model's own probabilities (n, class) at a sample of the pixels that are mapped.

    Raises:
        ClassSharesError: As `known_shares`, or the shares cannot be estimated.
        UsageError: As `known_shares`.
    """
    if card.shares is None or not _is_estimated(card, asked):
        return known_shares(card, asked)
    entry = card.shares
    return _with(entry, "estimated", estimated_shares(sample(), entry.learned, entry.calibration))


def checked_shares(card: Card, asked: Shares | None) -> None:
    """See that class shares may be asked of a model, before any is estimated.

    Raises:
        ClassSharesError, UsageError: As `known_shares`.
    """
    if card.shares is None or not _is_estimated(card, asked):
        known_shares(card, asked)


def sampled_probabilities(classifier: Classifier, reader: WindowReader) -> FloatArray:
    """The model's own probabilities (n, class) at pixels of windows that are spread over a reader's grid.

    The same pixels whenever asked. Where few of them have data, windows lie closer.

    Raises:
        ClassSharesError: No pixel that was looked at has data.
    """
    inside = reader.inside if isinstance(reader, AreaReader) else None

    def read(window: Window) -> tuple[FloatArray, Window]:
        return read_seen(classifier, reader, window), scene_window(reader, window)

    return sample_of(classifier, cast(tuple[int, int], tuple(reader.grid.shape)), read, inside)


def sample_of(
    classifier: Classifier,
    shape: tuple[int, int],
    read: Callable[[Window], tuple[FloatArray, Window]],
    inside: Callable[[Window], npt.NDArray[np.bool_]] | None = None,
) -> FloatArray:
    """`sampled_probabilities` of anything that has rows and columns.

    Args:
        classifier: Of the model, without class shares.
        shape: Rows and columns.
        read: Values (band, row, col) of a window with what the model looks at around it, and where the
            window lies on the scene's grid.
        inside: Which pixels of a window count; None for all.

    Raises:
        ClassSharesError: As `sampled_probabilities`.
    """
    found = np.empty((0, classifier.classes), np.float32)
    for per_side in _PER_SIDE:
        parts = []
        for window in lattice(shape, per_side, min(classifier.tile, TILE)):
            where = None if inside is None else inside(window)
            values, place = read(window)
            probabilities = classifier.probabilities(values, where, place)
            rows = probabilities.reshape(len(probabilities), -1).T
            parts.append(rows[np.isfinite(rows).all(axis=1)])
        found = np.concatenate(parts)
        if len(found) >= min(_ENOUGH_PIXELS, shape[0] * shape[1]):
            break
    if not len(found):
        raise ClassSharesError(
            "class shares cannot be estimated: no pixel that was looked at has data: choose the shares of "
            "the labels, equal shares, or give a table of known areas"
        )
    return found[:: math.ceil(len(found) / _MAX_PIXELS)]


def recorded_text(shares: ClassShares, legend: Sequence[LandClass]) -> str:
    """Class shares as a map's tag and a journal say them."""
    of_class = {
        str(land.id): float(f"{share:.6g}") for land, share in zip(legend, shares.wanted, strict=True)
    }
    return json.dumps({"choice": shares.choice, "shares": of_class})


def read_recorded(text: str) -> tuple[str, Mapping[int, float]] | None:
    """Choice, and share of each class id, of `recorded_text`; None for another text."""
    try:
        found = _Recorded.model_validate_json(text)
    except ValidationError:
        return None
    return found.choice, found.shares


def resumed_shares(text: str | None, card: Card, asked: Shares | None) -> ClassShares | None:
    """The estimate that an unfinished map was begun with; None without one, or where none is asked for."""
    found = None if text is None or not _is_estimated(card, asked) else read_recorded(text)
    if card.shares is None or found is None or found[0] != "estimated":
        return None
    if found[1].keys() != {land.id for land in card.legend}:
        return None
    return _with(card.shares, "estimated", tuple(found[1][land.id] for land in card.legend))


def _is_estimated(card: Card, asked: Shares | None) -> bool:
    default = None if card.shares is None else card.shares.default
    return card.shares is not None and (default if asked is None else asked) == "estimated"


def _with(entry: SharesEntry, choice: Choice, wanted: tuple[float, ...]) -> ClassShares:
    return ClassShares(choice, wanted, entry.learned, entry.temperature)


def _of_learned(shares: Sequence[float], learned: Sequence[float]) -> tuple[float, ...]:
    """Shares of the classes that were learned; the others have none."""
    kept = [share if weight > 0 else 0.0 for share, weight in zip(shares, learned, strict=True)]
    return as_shares(kept) if any(kept) else equal_shares(learned)


def read_shares(asked: Shares) -> Choice | Areas:
    """What is asked for, with the content of a table in place of its file.

    Raises:
        UsageError: There is neither a choice nor a file of that name.
        ClassSharesError: The file is no such table.
    """
    if isinstance(asked, Mapping):
        return asked
    for choice in NAMED_SHARES:
        if asked == choice:
            return choice
    path = Path(asked)
    if isinstance(asked, str) and not path.exists():
        raise UsageError(
            f"no class shares '{shortened(asked)}': choose one of {', '.join(NAMED_SHARES)}, or give a "
            "table of known areas (a CSV file), which is not there"
        )
    return _read_table(path)


def _read_table(path: Path) -> dict[str, float]:
    """Areas by class, as a file has them."""
    text = read_text(path, _TABLE)
    with file_errors(path, _TABLE, csv.Error):
        rows = [
            row
            for row in csv.reader(text.splitlines(), delimiter=_delimiter(text), strict=True)
            if any(cell.strip() for cell in row)
        ]
        if not 2 <= len(rows) <= _MAX_ROWS:
            raise _TABLE.refuse(path, f"{len(rows)} lines with the header")
        header = [cell.strip().casefold() for cell in rows[0]]
        named = [header.index(name) for name in _CLASS_COLUMNS if name in header]
        counted = [header.index(name) for name in _SHARE_COLUMNS if name in header]
        if not named or not counted:
            raise _TABLE.refuse(path, f"its columns are {names_text(rows[0])}")
        which, amount = named[0], counted[0]
        found: dict[str, float] = {}
        for number, row in enumerate(rows[1:], start=2):
            if len(row) != len(header):
                raise _TABLE.refuse(path, f"line {number} has {len(row)} columns, the header {len(header)}")
            name = row[which].strip()
            if name in found:
                raise _TABLE.refuse(path, f"class '{name}' comes twice")
            found[name] = _number(row[amount], path, number)
        if header[amount] == "share":
            _check_whole(sum(found.values()), path)
    return found


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=first.count)


def _number(text: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise _TABLE.refuse(path, f"line {line} has '{text.strip()}' where a number from 0 up should be")
    return value


def _check_whole(total: float, path: Path) -> None:
    if not any(abs(total - whole) <= _NEARLY * whole for whole in _WHOLES):
        raise _TABLE.refuse(path, f"its shares sum to {total:.4g}, not to 1 or 100")


def table_shares(areas: Areas, legend: Sequence[LandClass], learned: Sequence[float]) -> tuple[float, ...]:
    """Known areas in the order of the legend.

    Raises:
        ClassSharesError: A class is missing, unknown, meant by two names, was never learned, or has no area.
    """
    names = [land.name.casefold() for land in legend]
    by_name = {name: place for place, name in enumerate(names) if names.count(name) == 1}
    places = by_name | {str(land.id): place for place, land in enumerate(legend)}
    found: dict[int, float] = {}
    for given, area in areas.items():
        place = places.get(str(given).strip().casefold())
        if place is None:
            known = names_text([f"{land.id} {land.name}" for land in legend])
            raise ClassSharesError(
                f"known areas: the model has no class '{shortened(str(given))}': it has {known}"
            )
        if place in found:
            raise ClassSharesError(f"known areas: class '{legend[place].name}' comes twice: give it once")
        if isinstance(area, bool) or not (math.isfinite(area) and area >= 0):
            raise ClassSharesError(
                f"known areas: class '{legend[place].name}' has {area}, expected a number from 0 up"
            )
        found[place] = float(area)
    missing = [land.name for place, land in enumerate(legend) if place not in found and learned[place] > 0]
    if missing:
        raise ClassSharesError(
            f"known areas: {names_text(missing)} of the model's classes are missing: give 0 for a class that "
            "is not there"
        )
    unlearned = [legend[place].name for place, area in found.items() if area and not learned[place]]
    if unlearned:
        raise ClassSharesError(
            f"known areas: the model had no label of {names_text(unlearned)} in training and cannot map it: "
            "give 0, or train with such labels"
        )
    if not any(found.values()):
        raise ClassSharesError("known areas: all are 0: give the area of each class")
    return as_shares([found.get(place, 0.0) for place in range(len(legend))])
