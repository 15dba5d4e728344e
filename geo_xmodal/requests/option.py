"""An option of a command, written once: the command line, forms and the reference are made from it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin

import pydantic
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from geo_xmodal.errors import UsageError
from geo_xmodal.small_files import first_problem

Surface = Literal["command line", "forms"]

OnPages = Literal["as forms", "basic", "expert", "hidden"]
"""How the pages of the web app show an option: as other forms do, or in a way of their own."""

Takes = Literal[
    "",
    "scene",
    "model",
    "method",
    "methods",
    "pretraining method",
    "routines",
    "published scene",
    "raster",
    "rasters",
    "sensor files",
    "labels",
    "polygons",
    "column",
    "file",
    "folder",
    "new file",
    "new raster",
    "new folder",
    "shares",
    "settings",
]
"""What a text or a path stands for, so that a form can offer it; empty for what it looks like."""

Type = Literal["flag", "integer", "number", "choice", "path", "text"]


@dataclass(frozen=True)
class Option:
    """What surfaces say of a field of a `Request`, beside its type, bounds and default.

    Attributes:
        label: Its name in forms.
        help: A sentence; other options of the command are written `{name}`, and each surface words them.
        unit: Of its number.
        expert: Whether forms fold it away.
        takes: What it stands for.
        words: What forms offer of a text that can be one of few words, or several with commas between.
        name: Its public name, where the field cannot have it or several values read better in the singular:
            `name` is `--name` on the command line and `NAME` in QGIS.
        metavar: What the command line's help calls its value.
        applies: Values of another option with which alone it has a meaning, by that option's name.
        surfaces: Where it can be given.
        positional: Whether the command line takes it by its place.
        default_text: What stands for a default that is worked out.
        suffix: Of a file that it takes, such as `csv`.
        formerly: Its public name in the version before, which the command line takes with a note.
        pages: How pages show it; `hidden` is what whoever runs the server decides, such as processes.
    """

    label: str
    help: str = ""
    unit: str = ""
    expert: bool = False
    takes: Takes = ""
    words: tuple[str, ...] = ()
    name: str = ""
    metavar: str = ""
    applies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    surfaces: tuple[Surface, ...] = ("command line", "forms")
    positional: bool = False
    default_text: str = ""
    suffix: str = ""
    formerly: str = ""
    pages: OnPages = "as forms"


class Request(BaseModel):
    """Base of what a command is asked: its fields have an `Option` each, its docstring says what it does.

    Attributes:
        command: Its name on the command line.
        title: Its name in forms.
        has_progress: Whether it is work that takes a while.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: ClassVar[str] = ""
    title: ClassVar[str] = ""
    has_progress: ClassVar[bool] = True

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Self:
        """The request with `given` by field.

        Raises:
            UsageError: A field is unknown, or has a value that it cannot have.
        """
        try:
            return cls(**given)
        except pydantic.ValidationError as error:
            raise UsageError(first_problem(error)) from None

    def part(self, of: type[Request]) -> dict[str, Any]:
        """The values of those fields that another request has, too."""
        return {name: getattr(self, name) for name in of.model_fields}

    def words(self) -> list[str]:
        """The command line that asks the same, without what is as by default."""
        given = (one.words(getattr(self, name)) for name, one in self.describe().items())
        return ["geo-xmodal", self.command, *(word for words in given for word in words)]

    def argv(self) -> list[str]:
        """The same without the program's name, each value in one word with its option.

        So no value is taken for an option, whatever it begins with.
        """
        given = (one.words(getattr(self, name), together=True) for name, one in self.describe().items())
        return [self.command, *(word for words in given for word in words)]

    @classmethod
    def of(cls, options: Request | None, given: Mapping[str, Any]) -> Self:
        """The request with the fields that it shares with `options`, and over them those in `given`.

        Raises:
            UsageError: As `checked`.
        """
        names = [] if options is None else [name for name in cls.model_fields if hasattr(options, name)]
        return cls.checked({name: getattr(options, name) for name in names} | dict(given))

    @classmethod
    @cache
    def describe(cls) -> Mapping[str, Described]:
        """What is known of its options, by field."""
        fields = {name: Described.of(name, info) for name, info in cls.model_fields.items()}
        return types.MappingProxyType(fields)


@dataclass(frozen=True)
class Described:
    """An option with all that is known of it.

    Attributes:
        field: Its name in the request.
        name: Its public name, with underscores.
        option: What surfaces say of it.
        type: Of a value.
        choices: What values can be, if only some words are.
        many: Whether it may be given several times.
        parts: How many values one of it has.
        minimum: Least value.
        maximum: Largest value.
        default: Where it is not given.
        required: Whether it must be given.
    """

    field: str
    name: str
    option: Option
    type: Type
    choices: tuple[str, ...]
    many: bool
    parts: int
    minimum: float | None
    maximum: float | None
    default: Any
    required: bool

    @classmethod
    def of(cls, name: str, info: FieldInfo) -> Described:
        """Of a field of a request.

        Raises:
            TypeError: The field has no `Option`, or a type that no surface knows: a fault of the request.
        """
        option = next((one for one in info.metadata if isinstance(one, Option)), None)
        if option is None:
            raise TypeError(f"field {name} has no Option")
        kind, many, parts, choices = _type_of(info.annotation)
        return cls(
            field=name,
            name=option.name or name,
            option=option,
            type=kind,
            choices=choices,
            many=many,
            parts=parts,
            minimum=_bound(info.metadata, "ge"),
            maximum=_bound(info.metadata, "le"),
            default=None if info.is_required() else info.default,
            required=info.is_required(),
        )

    @property
    def flag(self) -> str:
        """Its name on the command line: of what is given by its place, the one that help shows."""
        return self.name.upper() if self.option.positional else "--" + self.name.replace("_", "-")

    def words(self, value: Any, together: bool = False) -> list[str]:
        """Words of the command line that give it a value; none for the default.

        Args:
            value: As the request has it.
            together: Whether a value stands in one word with its option.
        """
        if value == self.default and not self.required:
            return []
        if self.type == "flag":
            return [self.flag]
        texts = [str(part) for part in (value if isinstance(value, tuple) else (value,))]
        if self.option.positional:
            return texts
        if self.parts > 1:
            return [self.flag, *texts]
        pairs = ([f"{self.flag}={text}"] if together else [self.flag, text] for text in texts)
        return [word for pair in pairs for word in pair]

    def as_json(self) -> dict[str, Any]:
        """The description that forms outside of Python read."""
        option = self.option
        return {
            "field": self.field,
            "name": self.name,
            "flag": None if option.positional else self.flag,
            "label": option.label,
            "help": option.help,
            "type": self.type,
            "choices": list(self.choices),
            "many": self.many,
            "parts": self.parts,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "unit": option.unit,
            "default": list(self.default) if isinstance(self.default, tuple) else self.default,
            "default_text": option.default_text,
            "required": self.required,
            "group": "expert" if option.expert else "basic",
            "takes": option.takes,
            "words": list(self._words()),
            "suffix": option.suffix,
            "applies": {name: list(values) for name, values in option.applies.items()},
            "surfaces": list(option.surfaces),
        }

    def _words(self) -> Sequence[str]:
        if self.option.takes == "shares":
            return self.option.metavar.split("|")
        return self.option.words or self.choices


def _bound(metadata: Iterable[Any], name: str) -> float | None:
    found = (getattr(one, name, None) for one in metadata if not isinstance(one, Option))
    return next((bound for bound in found if bound is not None), None)


_TYPES: dict[Any, Type] = {bool: "flag", int: "integer", float: "number", Path: "path", str: "text"}


def _type_of(annotation: Any) -> tuple[Type, bool, int, tuple[str, ...]]:
    """Type of a value, whether there may be several, of how many parts, and the words that it can be.

    Of a union, the first member counts: others are for callers in Python.
    """
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is tuple:
        inner, *rest = get_args(annotation)
        kind, _, _, choices = _type_of(inner)
        return (kind, True, 1, choices) if rest == [...] else (kind, False, 1 + len(rest), choices)
    if get_origin(annotation) is typing.Literal:
        return "choice", False, 1, get_args(annotation)
    return _TYPES[annotation], False, 1, ()
