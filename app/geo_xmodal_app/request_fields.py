"""Options of a command as fields of a form: the one translation from request models to pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geo_xmodal.requests import Described, Request
from geo_xmodal_app.fields import Field, FieldKind

_KINDS: Mapping[str, FieldKind] = {
    "flag": "flag",
    "integer": "integer",
    "number": "number",
    "choice": "choice",
    "text": "text",
}
_BY_DEFAULT = ""
"""What is chosen where an option without a default is left alone."""


def option_fields(request: type[Request], own: Mapping[str, Any]) -> dict[str, Field]:
    """Fields for the options of a command, by name, in the order of its request.

    Left out are options that `own` has, that do not apply to what is there, that are hidden on pages, and
    those that stand for files: a page asks for files itself, because nobody types a path of a server.

    Args:
        request: Of the command.
        own: What the page asks for in its own way: its values by field, as far as they are known.
    """
    labels = option_labels(request)
    shown = (one for one in request.describe().values() if one.field not in own and _is_shown(one, own))
    return {one.field: _field(one, labels) for one in shown}


def option_labels(request: type[Request]) -> dict[str, str]:
    """What forms call the options of a command, in quotes, by the name that messages know them by."""
    return {one.name: f"'{one.option.label}'" for one in request.describe().values()}


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was filled in, as a request takes it: without what was left alone."""
    filled = {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}
    return {name: one for name, one in filled.items() if one not in (None, _BY_DEFAULT, ())}


def _is_shown(one: Described, own: Mapping[str, Any]) -> bool:
    option = one.option
    return (
        "forms" in option.surfaces
        and option.pages != "hidden"
        and option.takes == ""
        and one.type in _KINDS
        and one.parts == 1
        and (one.type == "choice" or not one.many)
        and all(own.get(name, values[0]) in values for name, values in option.applies.items())
    )


def _field(one: Described, labels: Mapping[str, str]) -> Field:
    option = one.option
    choices = {choice: choice for choice in one.choices}
    default, kind = one.default, _KINDS[one.type]
    if one.many:
        kind, default = "choices", list(one.default or ())
    elif kind == "choice" and default is None:
        choices, default = {_BY_DEFAULT: "as by default", **choices}, _BY_DEFAULT
    elif kind == "text" and default is None:
        default = ""
    return Field(
        name=one.field,
        kind=kind,
        label=option.label,
        default=default,
        choices=choices,
        low=one.minimum,
        high=one.maximum,
        unit=option.unit,
        help=option.help.format_map(labels),
        expert=option.expert if option.pages == "as forms" else option.pages == "expert",
        empty=kind in ("integer", "number") and default is None,
    )
