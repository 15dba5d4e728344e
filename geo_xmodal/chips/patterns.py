"""Names of files with placeholders: which chip a file belongs to, and where the files of a chip lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated

from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError

from geo_xmodal.scenes import InsideFile

BAND = "band"
"""The placeholder of a file a band, which tells no chip from another."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")

_MAX_PLACEHOLDERS = 4
"""Of a pattern; a name may be divided among more in too many ways."""


def placeholders(pattern: str) -> tuple[str, ...]:
    """The names between braces that tell chips apart, in the order in which they come first."""
    return tuple(dict.fromkeys(name for name in _PLACEHOLDER.findall(pattern) if name != BAND))


def filled(pattern: str, values: Mapping[str, str]) -> str:
    """The pattern with a value for each placeholder."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], pattern)


def values_in(pattern: str, text: str) -> dict[str, str] | None:
    """The value of each placeholder in a text of the pattern, none of which holds a `/`; None for others."""
    found = _expression(pattern).fullmatch(text)
    return None if found is None else found.groupdict()


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    seen: set[str] = set()
    parts = []
    for place, part in enumerate(_PLACEHOLDER.split(pattern)):
        if place % 2 == 0:
            parts.append(re.escape(part))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            seen.add(part)
            parts.append(f"(?P<{part}>[^/]+)")
    return re.compile("".join(parts))


def _checked(pattern: str) -> str:
    names = _PLACEHOLDER.findall(pattern)
    rest = _PLACEHOLDER.sub("", pattern)
    if "{" in rest or "}" in rest or not all(_NAME.fullmatch(name) for name in names):
        raise PydanticCustomError("pattern", "placeholders are small letters in braces, such as {id}")
    if not placeholders(pattern):
        raise PydanticCustomError(
            "pattern",
            "must hold a placeholder that tells chips apart, such as {example}",
            {"example": "{id}"},
        )
    if len(set(names)) > _MAX_PLACEHOLDERS:
        raise PydanticCustomError("pattern", "has more than {most} placeholders", {"most": _MAX_PLACEHOLDERS})
    if "}{" in pattern:
        raise PydanticCustomError("pattern", "needs a letter between two placeholders, to tell them apart")
    return pattern


Pattern = Annotated[str, AfterValidator(_checked)]
"""A text with placeholders, such as `{season}_s2_{scene}_p{patch}.tif`."""

FilePattern = Annotated[InsideFile, AfterValidator(_checked)]
"""The same, as a path inside the folder."""
