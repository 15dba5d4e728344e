"""What methods there are and which settings they take, told by a process of its own.

Methods import PyTorch: seconds of a processor, hundreds of megabytes, and meanwhile no other page is served.
The server asks this process, line by line as JSON: `["methods"]`, or `["check", method, settings]`.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

import geo_xmodal as gx
from geo_xmodal_app.methods import Method, Option, OptionKind, as_setting


def main() -> None:
    """Answer until the server is gone, which ends standard input."""
    for line in sys.stdin:
        print(json.dumps(_answer(*json.loads(line))), flush=True)


def _answer(question: str, *details: Any) -> Any:
    if question == "methods":
        return [_method(name).model_dump() for name in gx.METHODS]
    method, settings = details
    return _problem(gx.METHODS[method].Options, settings)


def _method(name: str) -> Method:
    known = gx.METHODS[name]
    options = tuple(_option(key, field) for key, field in known.Options.model_fields.items())
    return Method(
        name=name,
        summary=known.summary,
        uses_auxiliary=known.uses_auxiliary,
        needs_auxiliary=known.needs_auxiliary,
        options=options,
    )


def _option(name: str, field: FieldInfo) -> Option:
    default = field.get_default(call_default_factory=True)
    bounds = {side: getattr(part, side) for part in field.metadata for side in _SIDES if hasattr(part, side)}
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    kind: OptionKind = "choice" if choices else _KINDS.get(field.annotation, "text")
    return Option(
        name=name,
        kind=kind,
        default=default if kind != "text" else as_setting(default),
        choices=tuple(map(str, choices)),
        low=bounds.get("ge", bounds.get("gt")),
        high=bounds.get("le", bounds.get("lt")),
        help=field.description or "",
    )


_SIDES = ("ge", "gt", "le", "lt")
_KINDS: dict[Any, OptionKind] = {bool: "bool", int: "int", float: "float"}


def _problem(options: type[BaseModel], settings: dict[str, str]) -> str | None:
    """Why settings cannot be, together too; one line."""
    try:
        options.model_validate({key: value for key, value in settings.items() if key in options.model_fields})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    return None


if __name__ == "__main__":
    main()
