"""Options that had another name in the version before: taken with a warning, and no more in the next."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

_RICH = re.compile(r"(?<![a-z])rich(?![a-z])")


class OldNameWarning(FutureWarning):
    """An option was given by a name that it has no more."""


def with_new_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names that they have now.

    The sensor of training alone was called *rich* (`rich_radius` is `auxiliary_radius` now).
    """
    named = {}
    for old, value in given.items():
        name = _RICH.sub("auxiliary", old)
        if name != old:
            warnings.warn(old_name(old, name), OldNameWarning, stacklevel=3)
        named[name] = value
    return named


def old_name(old: str, new: str) -> str:
    """What is said of an old name."""
    return f"'{old}' is called '{new}' now; the next version does not know the old name"


Settings = Annotated[dict[str, str], AfterValidator(with_new_names)]
"""Options as texts by name."""
