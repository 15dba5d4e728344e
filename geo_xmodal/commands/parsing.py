"""A typer command out of a request model: flags, help and checks are made from its options."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from geo_xmodal.commands import events, process
from geo_xmodal.commands.console import Console
from geo_xmodal.commands.options import known_models, known_scenes
from geo_xmodal.old_names import OldNameWarning, old_name
from geo_xmodal.requests import Described, Request

R = TypeVar("R", bound=Request)

_TYPES: dict[str, type] = {"flag": bool, "integer": int, "number": float, "path": Path, "text": str}
_PROGRESS = "progress_form"


_KNOWN: dict[str, Callable[[], list[str]]] = {"scene": known_scenes, "model": known_models}


def command(request: type[R]) -> Callable[[Callable[[R, Console], None]], Callable[..., None]]:
    """Make a command of a function that takes a request and a console."""

    def made(function: Callable[[R, Console], None]) -> Callable[..., None]:
        options = request.describe()

        def run(**given: Any) -> None:
            given.pop(_PROGRESS, None)  # what is written before the parser is done needs it too (`events`)
            console = Console(given.pop("json"), silent=process.follows())
            with _warnings_as_notes(console):
                values = {
                    name: _value(options[name], value) for name, value in _named(given, options).items()
                }
                function(request.checked(values), console)

        run.__name__ = function.__name__
        run.__doc__ = request.__doc__
        parameters = [_parameter(request, one) for one in options.values()]
        parameters += [_parameter(request, one, old=True) for one in options.values() if one.option.formerly]
        if request.has_progress:
            parameters.append(_of(_PROGRESS, events.Form, _PROGRESS_OPTION, "text"))
        parameters.append(_of("json", bool, _JSON_OPTION, False))
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return made


_JSON_OPTION = typer.Option("--json", help="Print the result as one JSON object.")
_PROGRESS_OPTION = typer.Option(
    "--progress",
    help="How progress, notes and errors come on standard error: text, or json, an object a line for "
    "programs.",
)


def _value(option: Described, value: Any) -> Any:
    """What the parser gives, as the request takes it: None and an empty list are what was not given."""
    if value is None or value == []:
        return option.default
    if not isinstance(value, list):
        return value
    return tuple(each.value if isinstance(each, StrEnum) else each for each in value)


def _named(given: dict[str, Any], options: Mapping[str, Described]) -> dict[str, Any]:
    """What the parser gives, by the names that options have now."""
    values = {name: value for name, value in given.items() if name in options}
    for name, one in options.items():
        old = given.get(one.option.formerly) if one.option.formerly else None
        if old is not None:
            warnings.warn(old_name(_flag(one.option.formerly), one.flag), OldNameWarning, stacklevel=2)
            values[name] = old
    return values


@contextmanager
def _warnings_as_notes(console: Console) -> Iterator[None]:
    """Say what has an old name as a note; whatever else is warned of goes its usual way."""
    usual = warnings.showwarning

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, OldNameWarning):
            console.warn(str(message))
        else:
            usual(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", OldNameWarning)
        warnings.showwarning = show
        yield


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _parameter(request: type[Request], one: Described, old: bool = False) -> inspect.Parameter:
    kind: Any = Literal[one.choices] if one.choices else _TYPES[one.type]
    if one.many and one.choices:
        kind = _enumeration(one.field, one.choices)
    if one.parts > 1:
        kind = tuple[(kind,) * one.parts]  # type: ignore[misc]
    if one.many:
        kind = list[kind]
    default: Any = inspect.Parameter.empty
    if not one.required:
        default = None if one.many and not one.default else one.default
        kind = kind if default is not None else kind | None
    told: dict[str, Any] = {
        "help": one.option.help.format_map(_flags(request)),
        "min": one.minimum,
        "max": one.maximum,
        "autocompletion": _KNOWN.get(one.option.takes),
        "metavar": one.option.metavar or None,
    }
    if one.option.default_text:
        told["show_default"] = one.option.default_text
    if one.type == "integer":
        told |= {key: None if told[key] is None else int(told[key]) for key in ("min", "max")}
    if old:
        told |= {"hidden": True}
        return _of(one.option.formerly, kind, typer.Option(_flag(one.option.formerly), **told), default)
    if one.option.positional:
        return _of(one.field, kind, typer.Argument(**told), default)
    return _of(one.field, kind, typer.Option(one.flag, **told), default)


def _enumeration(name: str, choices: tuple[str, ...]) -> Any:
    """Words as typer takes them where several may be given: it knows no list of literals."""
    return StrEnum(name, {choice: choice for choice in choices})


def _flags(request: type[Request]) -> dict[str, str]:
    return {one.name: one.flag for one in request.describe().values()}


def _of(name: str, kind: Any, option: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )
