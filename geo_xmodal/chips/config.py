"""What a set of chips is: `chips.toml`, checked. Layouts of known sets are the same, written here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from geo_xmodal.chips.patterns import BAND, FilePattern, Pattern, placeholders
from geo_xmodal.errors import ChipError
from geo_xmodal.kinds import KINDS
from geo_xmodal.raster import name_key
from geo_xmodal.scenes import ClassConfig, InsideFile, Name, check_target
from geo_xmodal.small_files import SmallFile, StrictTable, first_problem, inner_file, read_toml
from geo_xmodal.types import MAX_SENSOR, Kind, LandClass

CONFIG_NAME = "chips.toml"

ChipSplit = Literal["train", "validation", "test"]

_FILE = SmallFile(
    "a TOML file of settings in UTF-8", ChipError, "compare it with docs/file-formats.md", 256 << 10
)

_Color = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]
_Value = Annotated[int, Field(ge=0, le=2**31)]


class ChipModality(StrictTable):
    """`[modalities.NAME]`: the files of one sensor, one a chip or one a band of a chip.

    Attributes:
        files: Where they lie; with `{band}` a file a band.
        kind: What the sensor measures.
        sensor: Sensor and product in words.
        scale: `db` where radar files hold decibels.
        bands: Numbers from 1 of the bands to use (default: all); where files are one a band, their names.
        nodata: Value that means "no data", in place of the files' own.
    """

    files: FilePattern
    kind: Kind
    sensor: Annotated[str, StringConstraints(max_length=MAX_SENSOR)] = ""
    scale: Literal["linear", "db"] = "linear"
    bands: tuple[Annotated[int, Field(ge=1)], ...] | tuple[Name, ...] | None = Field(None, min_length=1)
    nodata: float | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.scale == "db" and not KINDS[self.kind].power:
            raise PydanticCustomError("scale", "scale = 'db' is for radar only")
        named = self.bands is not None and isinstance(self.bands[0], str)
        if named != self.one_a_band:
            raise PydanticCustomError(
                "bands",
                "names of bands and {band} in files go together: bands = ['B02', 'B03'] for one file a band",
                {"band": "{band}"},
            )
        if self.bands is not None and len(set(self.bands)) < len(self.bands):
            raise PydanticCustomError("bands", "a band comes twice")
        return self

    @property
    def one_a_band(self) -> bool:
        """Whether every band lies in a file of its own."""
        return "{" + BAND + "}" in self.files


class ChipLabels(StrictTable):
    """`[labels]`: the label files, of the size of the chips.

    Attributes:
        files: Where they lie.
        band: Number of the band that holds the values.
        colors: Whether classes are told by red, green and blue of pixels: each by its `color`.
        unlabelled: Values, or colours, that mean unlabelled; without colours 0 unless told otherwise.
    """

    files: FilePattern
    band: Annotated[int, Field(ge=1)] = 1
    colors: bool = False
    unlabelled: tuple[_Value, ...] | tuple[_Color, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.unlabelled and isinstance(self.unlabelled[0], str) != self.colors:
            raise PydanticCustomError(
                "unlabelled", "unlabelled holds colours '#rrggbb' where colors = true, and values elsewhere"
            )
        return self


class ChipClass(ClassConfig):
    """`[[classes]]`: one class; `values` are those of the label files that mean it (default: its id)."""

    values: tuple[_Value, ...] | None = Field(None, min_length=1)


class ChipSplitConfig(StrictTable):
    """`[splits.NAME]`: which chips train, validate or test; one of `file`, `ids`, `share` and `rest`.

    Attributes:
        file: A text file with a chip a line.
        line: How a line of it names a chip (default: its id), or the ways in which it may.
        ids: Ids, in which `*` stands for anything.
        share: This share of the groups that no list and no id names, told by a hash of their names: the same
            ones in any copy.
        rest: All chips that no other split names.
    """

    file: InsideFile | None = None
    line: Pattern | tuple[Pattern, ...] | None = None
    ids: tuple[Annotated[str, StringConstraints(min_length=1, max_length=500)], ...] | None = None
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    rest: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(one is not None for one in (self.file, self.ids, self.share)) + self.rest != 1:
            raise PydanticCustomError("split", "expected one of file, ids, share and rest = true")
        if self.line is not None and self.file is None:
            raise PydanticCustomError("split", "line says how a line of file names a chip: give file")
        return self


class ChipsConfig(StrictTable):
    """`chips.toml`: sensors, labels and splits of many small rasters.

    Attributes:
        group: Placeholder whose values hold chips that lie together: they are held out together.
        table: A CSV file that names the chips, its columns by placeholders, for sensors whose files are
            called differently; a column `split` says what chips are for, where `splits` does not.
    """

    name: Name
    description: str = ""
    citation: str = ""
    license: str = ""
    simulated: bool = False
    target: Name
    modalities: dict[Name, ChipModality] = Field(min_length=1)
    labels: ChipLabels | None = None
    classes: tuple[ChipClass, ...] = ()
    splits: dict[ChipSplit, ChipSplitConfig] = Field(default_factory=dict)
    group: str | None = None
    table: InsideFile | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_target(self.target, self.modalities)
        self._check_classes()
        if self.group is not None and self.group not in self.placeholders:
            raise PydanticCustomError(
                "group",
                "group = {group} is no placeholder; placeholders: {known}",
                {"group": repr(self.group), "known": ", ".join(self.placeholders)},
            )
        if sum(one.rest for one in self.splits.values()) > 1:
            raise PydanticCustomError("splits", "splits: rest = true is for one of them")
        if sum(one.share or 0.0 for one in self.splits.values()) >= 1:
            raise PydanticCustomError("splits", "splits: the shares leave nothing for other splits")
        return self

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Those that tell chips apart, in the order of the target's files; then what others add."""
        return tuple(dict.fromkeys(name for one in self._patterns() for name in placeholders(one)))

    @property
    def legend(self) -> tuple[LandClass, ...]:
        """The classes in the order of the file."""
        return tuple(LandClass(one.id, one.name, one.color) for one in self.classes)

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """The sensors that training alone may have, the one that tells most first."""
        others = [name for name in self.modalities if name != self.target]
        return tuple(sorted(others, key=lambda name: KINDS[self.modalities[name].kind].auxiliary))

    def group_of(self, key: Sequence[str]) -> str:
        """What lies together with a chip: those of one group are neighbours, or may be."""
        return "/".join(key) if self.group is None else key[self.placeholders.index(self.group)]

    def _patterns(self) -> list[str]:
        target = self.modalities[self.target].files
        others = [one.files for one in self.modalities.values() if one.files != target]
        return [target, *others, *([] if self.labels is None else [self.labels.files])]

    @property
    def unlike(self) -> tuple[str, str] | None:
        """Two patterns that tell chips apart by different placeholders, if there are."""
        first, *others = self._patterns()
        unlike = [one for one in others if set(placeholders(one)) != set(placeholders(first))]
        return (first, unlike[0]) if unlike else None

    def _check_classes(self) -> None:
        if self.labels is None:
            if self.classes:
                raise PydanticCustomError("classes", "classes: there are no labels; add [labels]")
            return
        if len(self.classes) < 2:
            raise PydanticCustomError(
                "classes", "classes: at least 2 are needed, found {n}", {"n": len(self.classes)}
            )
        told = [one.color for one in self.classes] if self.labels.colors else []
        values = [value for one in self.classes for value in one.values or (one.id,)]
        for what, found in (
            ("id", [one.id for one in self.classes]),
            ("name", [name_key(one.name) for one in self.classes]),
            ("colour", [*told, *(self.labels.unlabelled or ())] if told else []),
            ("value", [] if told else values),
        ):
            twice = [str(value) for value, count in Counter(found).items() if count > 1]
            if twice:
                raise PydanticCustomError(
                    "classes",
                    "classes: {what} {twice} is used more than once",
                    {"what": what, "twice": ", ".join(twice)},
                )
        if told and any(one.values for one in self.classes):
            raise PydanticCustomError("classes", "classes: values are for labels without colors = true")


def read_chips_config(folder: Path) -> ChipsConfig:
    """The checked `chips.toml` of `folder`.

    Raises:
        ChipError: It is missing, no TOML, or does not describe a set of chips (one line, key named).
    """
    path = inner_file(folder, CONFIG_NAME, "folder of chips", ChipError)
    return parse_chips_config(read_toml(path, _FILE), str(path))


def parse_chips_config(table: Mapping[str, Any], where: str = CONFIG_NAME) -> ChipsConfig:
    """A `ChipsConfig` from a parsed table; `where` names it in the message of a `ChipError`."""
    try:
        config = ChipsConfig.model_validate(table)
    except ValidationError as error:
        raise ChipError(f"{where}: {first_problem(error)}") from None
    if config.table is None and config.unlike is not None:
        first, other = config.unlike
        raise ChipError(
            f"{where}: files: {first!r} and {other!r} have different placeholders: give the same, or a table "
            "with a column for each"
        )
    return config
