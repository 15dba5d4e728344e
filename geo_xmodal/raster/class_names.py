"""When two names are one class, and which numbers a text means.

People type names in many ways that look alike: capitals, doubled or no-break spaces, letters with accents in
one piece or in two. Programs that compare them letter by letter see different classes.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def shown_name(text: str) -> str:
    """`text` as a name is shown: composed letters (NFC), single spaces, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def name_key(text: str) -> str:
    """What is the same for all spellings of a name: as shown, whatever its capitals."""
    # Folding may take letters apart again.
    return unicodedata.normalize("NFC", shown_name(text).casefold())


def first_spellings(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each name as it came first, and every spelling of it, in the order in which they came."""
    spellings: dict[str, dict[str, None]] = {}
    for name in names:
        spellings.setdefault(name_key(name), {})[name] = None
    return {shown_name(next(iter(found))): tuple(found) for found in spellings.values()}


def number_of(text: str) -> float:
    """The number that `text` is in ASCII digits; infinite where it is none (`1_0`, `1.1.1`, `nan`)."""
    return float(text) if _NUMBER.fullmatch(text) else math.inf
