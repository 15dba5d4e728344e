"""Every command and its options as JSON for forms in other programs, and as a page of the docs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from geo_xmodal.requests.option import Described, Request

SCHEMA = 1
"""Counts up when a reader of an older description would go wrong."""


def described(
    requests: Iterable[type[Request]], known: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """The commands with their options, in order; `Described.as_json` says what an option has.

    Args:
        requests: Of the commands.
        known: Words that an option can be, by what it takes: names of methods, say.
    """
    known = known or {}
    return {
        "schema": SCHEMA,
        "commands": [
            {
                "name": one.command,
                "title": one.title,
                "summary": " ".join((one.__doc__ or "").split()),
                "options": [
                    option.as_json()
                    | ({"words": list(known[option.option.takes])} if option.option.takes in known else {})
                    for option in one.describe().values()
                ],
            }
            for one in requests
        ],
    }


_HEAD = """# Reference of the command line

Every option of every command; options of the group *expert* are folded away in forms. `geo-xmodal describe
--json` prints the same for programs, and the parameters of the QGIS plugin carry the same names in capitals
(`--class-probabilities` is `CLASS_PROBABILITIES`).

This page is written by `python scripts/reference.py`.
"""


def reference_page(requests: Iterable[type[Request]]) -> str:
    """The reference in Markdown."""
    return "\n".join([_HEAD, *(_section(one) for one in requests)])


def help_page(requests: Iterable[type[Request]]) -> str:
    """The options that forms have in HTML, a section per command under its name, for a form's help."""
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>geo_xmodal</title>'
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
        "dt{font-weight:bold;margin-top:.6em}</style>"
    )
    return "\n".join([head, *(_help(one) for one in requests), "</html>", ""])


def _help(request: type[Request]) -> str:
    options = [one for one in request.describe().values() if "forms" in one.option.surfaces]
    labels = {one.name: f"\u201c{one.option.label}\u201d" for one in request.describe().values()}
    entries = (
        f"<dt>{escape(one.option.label)}{' (advanced)' if one.option.expert else ''}</dt>"
        f"<dd>{escape(one.option.help.format_map(labels) + _applies(one, labels).replace('`', ''))} "
        f"<i>{escape(_value(one).replace('`', ''))}</i></dd>"
        for one in options
    )
    summary = escape(" ".join((request.__doc__ or "").split()))
    return "\n".join(
        [f'<h2 id="{request.command}">{escape(request.title)}</h2><p>{summary}</p><dl>', *entries, "</dl>"]
    )


def _section(request: type[Request]) -> str:
    options = request.describe()
    flags = {one.name: one.flag for one in options.values()}
    rows = [_row(one, flags) for one in options.values()]
    return "\n".join(
        [
            f"## {request.command}",
            "",
            (request.__doc__ or "").strip(),
            "",
            "| option | value | default | group | |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(one: Described, flags: Mapping[str, str]) -> str:
    cells = (f"`{one.flag}`", _value(one), _default(one), "expert" if one.option.expert else "basic")
    text = one.option.help.format_map(flags) + _applies(one, flags)
    return f"| {' | '.join((*cells, text.replace('|', chr(92) + '|')))} |"


def _value(one: Described) -> str:
    if one.type == "flag":
        return "flag"
    kind = ", ".join(f"`{choice}`" for choice in one.choices) or one.type
    bounds = [
        f"{words} {bound:g}"
        for words, bound in (("from", one.minimum), ("to", one.maximum))
        if bound is not None
    ]
    several = "several times" if one.many else ""
    return ", ".join(part for part in (kind, " ".join(bounds), one.option.unit, several) if part)


def _default(one: Described) -> str:
    if one.required:
        return "required"
    if one.option.default_text:
        return f"`{one.option.default_text}`"
    nothing = one.default is None or one.default is False or one.default == ()
    return "" if nothing else f"`{one.default}`"


def _applies(one: Described, flags: Mapping[str, str]) -> str:
    wanted = (f"`{flags[name]}` {' or '.join(values)}" for name, values in one.option.applies.items())
    return "".join(f" Only with {words}." for words in wanted)
