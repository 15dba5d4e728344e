"""Names of options within messages: the library says which option it means, each surface words it.

`option("bands")` stands for the option `bands` of whatever asked: `--bands` on the command line, its label
in a form, the argument of that name in Python. In a text it is marked by letters that no keyboard has, until
`worded` puts words in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BEGIN, _VALUE, _END = "\ue000", "\ue001", "\ue002"
_MARKED = re.compile(f"{_BEGIN}([a-z][a-z0-9_]*)(?:{_VALUE}([^{_BEGIN}{_VALUE}{_END}]*))?{_END}")
_STRAY = str.maketrans("", "", _BEGIN + _VALUE + _END)


@dataclass(frozen=True)
class NamedOption:
    """An option that a message names, maybe with a value.

    Attributes:
        name: With underscores, such as `warp_gcps`.
        value: As text; empty where the message means the option itself.
    """

    name: str
    value: str = ""


def option(name: str, value: object = "") -> str:
    """The mark of an option in a message."""
    text = str(value).translate(_STRAY)
    return f"{_BEGIN}{name}{_VALUE if text else ''}{text}{_END}"


def parts(text: str) -> Iterator[str | NamedOption]:
    """A message in parts: texts, and the options between them."""
    end = 0
    for match in _MARKED.finditer(text):
        if before := text[end : match.start()].translate(_STRAY):
            yield before
        yield NamedOption(match[1], match[2] or "")
        end = match.end()
    if rest := text[end:].translate(_STRAY):
        yield rest


def worded(text: str, words: Callable[[NamedOption], str]) -> str:
    """A message with `words` for each option that it names."""
    return "".join(one if isinstance(one, str) else words(one) for one in parts(text))


def as_argument(named: NamedOption) -> str:
    """An option as callers in Python read it: `'bands'`, `unlabelled=nodata`."""
    if named.name == "set" and named.value:
        return f"setting {named.value}"
    return f"{named.name}={named.value}" if named.value else f"'{named.name}'"


def as_flag(named: NamedOption) -> str:
    """An option as the command line has it: `--bands`, `--unlabelled nodata`."""
    return f"--{named.name.replace('_', '-')} {named.value}".rstrip()
