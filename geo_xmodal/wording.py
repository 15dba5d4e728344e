"""Words of messages."""

from __future__ import annotations

from collections.abc import Sequence

_MAX_LISTED = 5


def counted(count: int, what: str) -> str:
    """A number of things: `1 pixel`, `2,000 pixels`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def size_words(count: float) -> str:
    """Bytes in words: `512 bytes`, `1.5 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError


def names_text(names: Sequence[str]) -> str:
    """Names as one: `A`, `A and B`, `A, B, C, D and 4 more`."""
    if len(names) > _MAX_LISTED:
        names = [*names[: _MAX_LISTED - 1], f"{len(names) - _MAX_LISTED + 1} more"]
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
