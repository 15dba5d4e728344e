"""Which of a source's bands are those of a list of names: for a model, or for another scene."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from geo_xmodal.raster.window_reader import WindowReader

_UNNAMED = re.compile(r"band \d+")
_MAX_LISTED = 5


@dataclass(frozen=True)
class BandMatch:
    """Where the bands are.

    Attributes:
        places: Of each wanted band among the source's, from 0.
        assumed: What is taken for granted in that, a sentence; empty where nothing is.
    """

    places: tuple[int, ...]
    assumed: str = ""


def match_bands(names: Sequence[str], reader: WindowReader) -> BandMatch | None:
    """Bands by name where the names are unique and hold all wanted, else by place where a side has no names.

    Returns:
        None where names contradict, or the number of bands does.
    """
    found = [_plain(name) for name in reader.band_names]
    wanted = [_plain(name) for name in names]
    by_place = tuple(range(len(names)))
    asked = any(band.asked for band in reader.bands)
    unnamed = _without_names(found) or _without_names(wanted)
    unique = len(set(found)) == len(found) and len(set(wanted)) == len(wanted)
    if unique and not asked and not unnamed and set(wanted) <= set(found):
        places = tuple(found.index(name) for name in wanted)
        text = f"bands {few_names(names)} are found by name among {few_names(reader.band_names)}"
        return BandMatch(places, "" if places == tuple(range(len(found))) else text)
    if len(found) != len(wanted):
        return None
    if found == wanted and not unnamed:
        return BandMatch(by_place)
    if not unnamed and not asked:
        return None
    why = "were asked for in this order" if asked else "have no names to go by"
    there, here = few_names(reader.band_names), few_names(names)
    return BandMatch(by_place, f"bands are taken by their place, as they {why}: {there} as {here}")


def few_names(names: Sequence[str]) -> str:
    """Names of bands for a message, the first of many."""
    return ", ".join(names[:_MAX_LISTED]) + (", ..." if len(names) > _MAX_LISTED else "")


def is_unnamed(name: str) -> bool:
    """Whether a band's name is only its number."""
    return _UNNAMED.fullmatch(name) is not None


def _plain(name: str) -> str:
    return name.strip().casefold()


def _without_names(names: Sequence[str]) -> bool:
    return all(is_unnamed(name) for name in names)
