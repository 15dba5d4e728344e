"""How numbers are written on the page."""

from __future__ import annotations

NONE = "–"
"""What stands where a value is undefined."""

_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NARROW NO-BREAK SPACE}"


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as `68.9 %`."""
    return NONE if value is None else f"{100 * value:.{digits}f}{_SPACE}%"


def points(value: float | None, digits: int = 1) -> str:
    """A fraction as percentage points without unit: `68.9`."""
    return NONE if value is None else _typeset(f"{100 * value:.{digits}f}")


def signed(value: float | None) -> str:
    """A difference of fractions as percentage points: `+13.14`, so that ends near 0 show their side."""
    return NONE if value is None else _typeset(f"{100 * value:+.2f}")


def number(value: float | None, digits: int = 3) -> str:
    """A plain number: `0.612`."""
    return NONE if value is None else _typeset(f"{value:.{digits}f}")


def whole(value: float | None) -> str:
    """A count, in groups of three: `41,943`."""
    return NONE if value is None else _typeset(f"{value:,.0f}")


def compact(count: int) -> str:
    """A count in at most five characters: `9,412`, `94.1k`, `1.2M`."""
    if count < 10_000:
        return f"{count:,}"
    if count < 999_500:
        return f"{count / 1e3:.{1 if count < 99_950 else 0}f}k"
    return f"{count / 1e6:,.{1 if count < 99_950_000 else 0}f}M"


def tick_label(value: float, digits: int = 6) -> str:
    """A number as short as `digits` significant digits allow."""
    return _typeset(f"{round(value, 10):.{digits}g}")


def ellipsis(text: str, length: int) -> str:
    """`text` cut to `length` characters, the last of them an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _typeset(text: str) -> str:
    return text.replace("-", _MINUS)
