"""Texts from files and errors as a page may show them: as written, and without the server's own paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import geo_xmodal as gx
from geo_xmodal_app.settings import settings

_MARKDOWN = re.compile(
    r"""
    [\\`*\[\]<>$~@]               # anywhere
    | (?<![^\W_])_ | _(?![^\W_])    # but within a word
    | &(?=[\#\w])                  # characters by name or number
    | :(?=\S)                      # icons, colours, addresses
    | (?<=[-<])- | -(?=[->])       # dashes and arrows
    | (?<=www)\.                   # addresses
    """,
    re.VERBOSE,
)
_START = re.compile(r"^(\s*\d*)([-+#=.)])")
"""Of a list, or of a heading."""

_LONGEST = 600


def literal(text: str) -> str:
    """`text` so that Markdown shows it letter for letter: names in files are not ours.

    No more is marked than must be: screen readers are told the label of a field as it stands.
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return _START.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", printable))


def plain(text: str, names: Mapping[Path, str] | None = None) -> str:
    """`text` with files named as the user knows them, and nothing of where they lie.

    Args:
        text: An error, or a line of a job.
        names: Path of a file to what the user calls it.
    """
    for path, name in (names or {}).items():
        text = text.replace(str(path), name)
    for root in sorted(map(str, _roots()), key=len, reverse=True):
        text = re.sub(rf"{re.escape(root)}(/[^\s:;,'\")]*)?", _last_part, text)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."


def _last_part(match: re.Match[str]) -> str:
    return Path(match[0]).name


def _roots() -> Iterable[Path]:
    chosen = settings()
    package = Path(gx.__file__).resolve().parent
    return (chosen.work, *chosen.data, package.parent, package, Path.home())
