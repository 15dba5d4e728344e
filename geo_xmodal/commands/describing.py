"""`describe`: what every command can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import Json
from geo_xmodal.errors import UsageError
from geo_xmodal.requests import REQUESTS, described


def describe(
    command: Annotated[
        str | None, typer.Argument(help="One command (default: all that have a description).")
    ] = None,
    json: Json = False,
) -> None:
    """Describe commands and their options for programs that make forms of them."""
    if command is not None and command not in REQUESTS:
        raise UsageError(f"no description of {command!r}: give one of {', '.join(REQUESTS)}")
    asked = [one for name, one in REQUESTS.items() if command in (None, name)]
    Console(json).result(
        described(asked, known_words(tuple(gx.METHODS))),
        table(
            "command",
            "option",
            "type",
            "label",
            rows=[
                (one.command, option.flag, option.type, option.option.label)
                for one in asked
                for option in one.describe().values()
            ],
        ),
    )


def known_words(methods: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Words that options can be, by what they take; `methods` are the training methods to offer."""
    return {
        "method": methods,
        "methods": (*methods, "ceiling"),
        "pretraining method": tuple(gx.PRETRAINING_METHODS),
        "published scene": (*(one.name for one in gx.published_scenes()), "points"),
    }
