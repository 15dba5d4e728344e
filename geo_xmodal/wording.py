"""Words of messages."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """A number of things: `1 pixel`, `2,000 pixels`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
