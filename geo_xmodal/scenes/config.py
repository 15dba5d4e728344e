"""What a person writes of a scene: `scene.toml`, checked, and written back."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError

from geo_xmodal.errors import SceneError
from geo_xmodal.kinds import KINDS
from geo_xmodal.outputs import write_text
from geo_xmodal.raster import Resampling, VectorHints, WarpGcps, is_address, name_key
from geo_xmodal.scenes.known_legends import KNOWN_LEGENDS
from geo_xmodal.scenes.splits import DEFAULT_BLOCK, DEFAULT_BUFFER
from geo_xmodal.small_files import (
    SmallFile,
    StrictTable,
    first_problem,
    inner_file,
    read_toml,
    real_path,
)
from geo_xmodal.types import MAX_NAME, MAX_SENSOR, Kind, LandClass

CONFIG_NAME = "scene.toml"

_FILE = SmallFile(
    "a TOML file of settings in UTF-8",
    SceneError,
    "compare it with docs/file-formats.md, or write it again with geo-xmodal align",
    256 << 10,
)


_MAX_NAME_BYTES = 255
"""Bytes of the name of a file or folder that file systems take."""


def _nameable(file: str) -> str:
    """A path that may exist: the system refuses to look for any other."""
    longest = max((len(part.encode()) for part in re.split(r"[/\\]", file)), default=0)
    if longest > _MAX_NAME_BYTES:
        raise PydanticCustomError(
            "path",
            "names a file or folder by {longest} bytes, and none has more than {most}",
            {"longest": longest, "most": _MAX_NAME_BYTES},
        )
    return file


def _inside(file: str) -> str:
    path = PurePosixPath(file)
    windows = PureWindowsPath(file)
    if not file or "\0" in file:
        raise PydanticCustomError("path", "must name a file")
    if "\\" in file or windows.drive or path.is_absolute() or ".." in path.parts:
        raise PydanticCustomError(
            "path", "must be relative to the folder of this file and inside it, with / between folders"
        )
    return file


InsideFile = Annotated[str, AfterValidator(_inside), AfterValidator(_nameable)]
SourceName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]+$"),
    AfterValidator(_nameable),
]
BandName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
ClassId = Annotated[int, Field(ge=1, le=255)]
BandNumber = Annotated[int, Field(ge=1)]


class ModalityConfig(StrictTable):
    """`[modalities.NAME]`: where one sensor's values lie, and what it measures.

    Attributes:
        file: Path of a GeoTIFF, relative to the scene folder and inside it; or
        files: What `geo_xmodal.raster.open_source` takes: GeoTIFFs, folders of tiles or of band files, lists
            and addresses, on any grid. Paths are absolute or relative to the scene folder.
        fingerprints: What each of `files` held when the scene was made, if anybody says; what holds
            something else by now is refused.
        kind: What the sensor measures.
        sensor: Sensor and product in words.
        scale: `db` where a SAR file holds decibels; values are linear power once read.
        bands: Bands to use, in that order (default: all): numbers from 1 up, or names as files, or the
            names of files, have them.
        invalid_bands: 1-based bands to leave out (water absorption, broken detectors).
        nodata: Value that means "no data", in place of the file's own.
        resampling: In place of the choice by kind and pixel size.
        warp_gcps: What follows the ground control points of a file that has no other place.
        notes: What was taken for granted when the file was made.
    """

    file: InsideFile | None = None
    files: tuple[SourceName, ...] | None = Field(default=None, min_length=1)
    fingerprints: tuple[str, ...] | None = None
    kind: Kind
    sensor: Annotated[str, StringConstraints(max_length=MAX_SENSOR)] = ""
    scale: Literal["linear", "db"] = "linear"
    bands: tuple[BandNumber | BandName, ...] | None = Field(default=None, min_length=1)
    invalid_bands: tuple[BandNumber, ...] = ()
    nodata: float | None = None
    resampling: Resampling | None = None
    warp_gcps: WarpGcps | None = None
    notes: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """Its files, as scene.toml names them."""
        return self.file or ", ".join(self.files or ())

    def places(self, folder: Path) -> list[Path | str]:
        """Files and folders of a sensor of the scene in `folder`; addresses stay text.

        Raises:
            SceneError: A file that should lie in the scene folder leads out of it.
        """
        if self.file is not None:
            return [scene_file(folder, self.file)]
        return [one if is_address(one) else folder / one for one in self.files or ()]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.file is None) == (self.files is None):
            raise PydanticCustomError(
                "file", "expected file (inside the scene folder) or files (anywhere), one of the two"
            )
        if self.notes and self.file is None:
            raise PydanticCustomError("notes", "notes are of a file that was made: files tell it themselves")
        if self.fingerprints is not None and len(self.fingerprints) != len(self.files or ()):
            raise PydanticCustomError("fingerprints", "expected one for each of files")
        if self.scale == "db" and not KINDS[self.kind].power:
            power = " or ".join(f"'{kind.name}'" for kind in KINDS.values() if kind.power)
            raise PydanticCustomError("scale", "scale = 'db' is for kind = {power} only", {"power": power})
        if self.bands is not None and set(self.bands) <= set(self.invalid_bands):
            raise PydanticCustomError("bands", "invalid_bands leaves none of bands")
        return self


class ClassConfig(StrictTable):
    """`[[classes]]`: one class of the legend."""

    id: ClassId
    name: Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, strip_whitespace=True)]
    color: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]


class MapClassConfig(ClassConfig):
    """`[[classes]]` of a map of another program: the id is the map's value."""

    id: Annotated[int, Field(ge=0, le=255)]


_Class = TypeVar("_Class", bound=ClassConfig)


class LabelsConfig(StrictTable):
    """`[labels.train]`, `[labels.test]` or `[labels.all]`: a raster of class ids, or a vector with a column.

    Attributes:
        file: Path relative to the scene folder and inside it.
        layer: Layer of a vector file that has several.
        column: Column of a vector that holds the class id or name.
        classes: Value in the file (as text) to class id, where the file does not hold ids or names of
            the legend; 0 leaves the value unlabelled.
        unlabelled: Values in the file (as text) that mean unlabelled, in place of zero and negative
            numbers; a missing value and nodata always do.
        warp_gcps: What follows the ground control points of a raster that has no other place.
        crs: Authority and code (`EPSG:32633`) of the CRS of a vector file that has none.
        coordinates: Columns of x and y of a CSV whose names do not tell.
    """

    file: InsideFile
    layer: str | None = None
    column: str | None = None
    classes: dict[str, Annotated[int, Field(ge=0, le=255)]] | None = None
    unlabelled: tuple[str, ...] | None = None
    warp_gcps: WarpGcps | None = None
    crs: Annotated[str, StringConstraints(max_length=100)] | None = None
    coordinates: tuple[str, str] | None = None

    @property
    def hints(self) -> VectorHints:
        """What a vector file does not say itself."""
        return VectorHints(self.crs, self.coordinates)


class LabelsTable(StrictTable):
    """`[labels]`: train and test apart, or one set of labels for `[split]` to divide."""

    train: LabelsConfig | None = None
    test: LabelsConfig | None = None
    all: LabelsConfig | None = None

    def given(self) -> Iterator[tuple[Literal["train", "test", "all"], LabelsConfig]]:
        """The sources that the scene names."""
        if self.train is not None:
            yield "train", self.train
        if self.test is not None:
            yield "test", self.test
        if self.all is not None:
            yield "all", self.all


class SplitConfig(StrictTable):
    """`[split]`: how one set of labels becomes train and test.

    Attributes:
        kind: `blocks` keeps test pixels spatially apart from training pixels, `random` does not.
        block: Side of a block in pixels.
        buffer: Pixels between a training and a test block that belong to neither.
        test: Share of the labelled pixels (or blocks) that are for test.
        seed: Of the draw.
    """

    kind: Literal["blocks", "random"] = "blocks"
    block: Annotated[int, Field(ge=1)] = DEFAULT_BLOCK
    buffer: Annotated[int, Field(ge=0)] = DEFAULT_BUFFER
    test: Annotated[float, Field(gt=0, lt=1)] = 0.5
    seed: Annotated[int, Field(ge=0)] = 0


class PointsConfig(StrictTable):
    """`[points]`: the pixels of the scene are single samples, which lie on no ground together.

    Every place (a field, a plot, a cell of degrees) has a square of `pitch` x `pitch` pixels to itself, and
    its points lie in the upper left `block` x `block` of it: blocks of `pitch` pixels are places, larger
    ones are several, and two places are `pitch - block` pixels apart at least.

    Attributes:
        file: CSV with a row a point: where it is on the grid, where it was, its place and label.
        count: Points.
        places: Places that they belong to.
        block: Side of the square that holds the points of a place.
        pitch: From a place to the next in pixels.
        site: Side of the square whose labels are kept or left out together: `pitch`, or 1 where points
            belong to no place.
    """

    file: InsideFile
    count: Annotated[int, Field(ge=1)]
    places: Annotated[int, Field(ge=1)]
    block: Annotated[int, Field(ge=1, le=1 << 14)]
    pitch: Annotated[int, Field(ge=1, le=1 << 15)]
    site: Annotated[int, Field(ge=1, le=1 << 15)]


def check_target(target: str, modalities: Iterable[str]) -> None:
    """See that the sensor that maps are made from is one of a scene's, or of a set of chips.

    Raises:
        PydanticCustomError: It is none.
    """
    known = list(modalities)
    if target not in known:
        raise PydanticCustomError(
            "target",
            "target = {target} is not a modality; modalities: {known}",
            {"target": repr(target), "known": ", ".join(known)},
        )


class SceneConfig(StrictTable):
    """`scene.toml`: one grid, many sensors, classes and labels.

    A scene without labels can be mapped but not trained on; it need not name classes.
    """

    name: Name
    description: str = ""
    citation: str = ""
    license: str = ""
    simulated: bool = False
    target: str
    modalities: dict[Name, ModalityConfig] = Field(min_length=1)
    classes: tuple[ClassConfig, ...] = ()
    labels: LabelsTable = LabelsTable()
    split: SplitConfig | None = None
    points: PointsConfig | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_target(self.target, self.modalities)
        self._check_classes()
        self._check_labels()
        return self

    def _check_classes(self) -> None:
        ids = [entry.id for entry in self.classes]
        twice = _twice(ids, [entry.name for entry in self.classes])
        if twice is not None:
            raise PydanticCustomError("classes", "{twice}", {"twice": twice})
        labelled = any(True for _ in self.labels.given())
        if len(ids) < 2 and (labelled or ids):
            raise PydanticCustomError("classes", "classes: at least 2 are needed, found {n}", {"n": len(ids)})
        for split, source in self.labels.given():
            unknown = sorted(set((source.classes or {}).values()) - set(ids) - {0})
            if unknown:
                raise PydanticCustomError(
                    "labels",
                    "labels.{split}.classes: id {unknown} is not in classes",
                    {"split": split, "unknown": ", ".join(map(str, unknown))},
                )

    def _check_labels(self) -> None:
        given = {split for split, _ in self.labels.given()}
        allowed = ({"train", "test"},) if self.split is None else ({"all"}, {"train"})
        if given and given not in allowed:
            found = " + ".join(
                [f"labels.{name}" for name in sorted(given)] + ["split"] * (self.split is not None)
            )
            raise PydanticCustomError(
                "labels",
                "labels: expected labels.train + labels.test, or labels.all + split, "
                "or labels.train + split; found {found}",
                {"found": found},
            )
        if self.split is not None and not given:
            raise PydanticCustomError("labels", "split: there are no labels to split; add [labels.all]")

    @property
    def legend(self) -> tuple[LandClass, ...]:
        """The classes in the order of the file."""
        return tuple(LandClass(entry.id, entry.name, entry.color) for entry in self.classes)


def read_config(folder: Path | str, *, within: Sequence[Path | str] | None = None) -> SceneConfig:
    """The checked `scene.toml` of `folder`.

    Args:
        folder: Of the scene.
        within: Folders, besides the scene's own, that `files` must lie in, links followed; anywhere if None.

    Raises:
        SceneError: The file is missing, is not TOML, or does not describe a scene (one line, key named); or
            it, or a file that it names, is a link that leads out of the folder, or lies where it must not.
    """
    folder = Path(folder)
    path = scene_file(folder, CONFIG_NAME)
    if not path.is_file():
        raise SceneError(f"{folder} is not a scene folder: it holds no {CONFIG_NAME}")
    config = parse_config(read_toml(path, _FILE), str(path))
    for name, modality in config.modalities.items():
        places = [place for place in modality.places(folder) if isinstance(place, Path)]
        if within is not None:
            _check_within(f"{path}: modalities.{name}", places, (folder, *map(Path, within)))
    for _, source in config.labels.given():
        scene_file(folder, source.file)
    if config.points is not None:
        scene_file(folder, config.points.file)
    return config


def _check_within(where: str, places: Sequence[Path], folders: Sequence[Path]) -> None:
    """See that files lie in one of some folders, before anything is looked at."""
    allowed = [real_path(folder) for folder in folders]
    for place in places:
        lies = real_path(place)
        if not any(lies.is_relative_to(folder) for folder in allowed):
            raise SceneError(
                f"{where}: {place} leads out of {' and '.join(map(str, folders))}; copy the file there"
            )


def parse_config(table: Mapping[str, Any], where: str = CONFIG_NAME) -> SceneConfig:
    """A `SceneConfig` from a parsed table; `where` names it in the message of a `SceneError`."""
    try:
        return SceneConfig.model_validate(table)
    except ValidationError as error:
        raise SceneError(f"{where}: {first_problem(error)}") from None


def read_classes(file: Path) -> tuple[ClassConfig, ...]:
    """The `[[classes]]` of a TOML file, which may be a scene.toml, or a known legend by its name.

    Raises:
        SceneError: The file cannot be read, or holds no class list (one line, key named).
    """
    return _classes_in(file, ClassConfig)


def read_map_classes(file: Path) -> tuple[MapClassConfig, ...]:
    """As `read_classes`, of a map of another program: its ids are values of the map, so one may be 0.

    Raises:
        SceneError: As `read_classes`; or an id or a name comes twice.
    """
    entries = _classes_in(file, MapClassConfig)
    twice = _twice([entry.id for entry in entries], [entry.name for entry in entries])
    if twice is not None:
        raise SceneError(f"{file}: {twice}")
    return entries


def _classes_in(file: Path, entry: type[_Class]) -> tuple[_Class, ...]:
    known = KNOWN_LEGENDS.get(str(file))
    if known is not None and not file.exists():
        classes: Any = [dict(zip(("id", "name", "color"), one, strict=True)) for one in known]
    else:
        table = read_toml(file, _FILE)
        if "classes" not in table:
            raise SceneError(f"{file}: has no [[classes]] with id, name and color")
        classes = table["classes"]
    try:
        return TypeAdapter(tuple[entry, ...]).validate_python(classes)  # type: ignore[valid-type]
    except ValidationError as error:
        raise SceneError(f"{file}: {first_problem(error, 'classes')}") from None


def _twice(ids: Sequence[int], names: Sequence[str]) -> str | None:
    """What of a class list comes more than once; names that look alike are one."""
    keys = [name_key(name) for name in names]
    of_id, of_key = Counter(ids), Counter(keys)
    for what, twice in (
        ("id", {str(id_) for id_ in ids if of_id[id_] > 1}),
        ("name", {name for name, key in zip(names, keys, strict=True) if of_key[key] > 1}),
    ):
        if twice:
            return f"classes: {what} {', '.join(sorted(twice))} is used more than once"
    return None


def scene_file(folder: Path, file: str) -> Path:
    """Where `file` of a scene lies; the file itself may be missing.

    Raises:
        SceneError: A symbolic link leads out of the folder.
    """
    return inner_file(folder, file, "scene folder", SceneError)


def write_config(config: SceneConfig, folder: Path | str) -> Path:
    """Write `config` as `scene.toml` in `folder`, whole or not at all, and return its path.

    Raises:
        OutputError: The folder cannot be written to.
    """
    path = Path(folder) / CONFIG_NAME
    table = config.model_dump(exclude_defaults=True)
    if config.split is not None:
        table["split"] = config.split.model_dump()  # whole: which pixels test must not follow a default
    text = to_toml(table)
    write_text(path, text)
    return path


def write_classes(classes: Iterable[LandClass], path: Path | str) -> Path:
    """Write a class list as `align_scene(classes=...)` takes it, atomically; return its path.

    Raises:
        OutputError: It cannot be written.
    """
    path = Path(path)
    entries = [{"id": one.id, "name": one.name, "color": one.color} for one in classes]
    write_text(path, to_toml({"classes": entries}))
    return path


def to_toml(table: Mapping[str, Any]) -> str:
    """TOML text of nested tables of plain values; keys that are None are left out."""
    return "\n".join(_toml_lines(table, ())).strip() + "\n"


def _toml_lines(table: Mapping[str, Any], prefix: tuple[str, ...]) -> Iterator[str]:
    tables: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) or _is_array_of_tables(value):
            tables[key] = value
        elif value is not None:
            yield f"{_toml_key(key)} = {_toml_value(value)}"
    for key, value in tables.items():
        path = (*prefix, key)
        header = ".".join(_toml_key(part) for part in path)
        if isinstance(value, Mapping):
            holds_values = not value or any(
                not isinstance(item, Mapping) and not _is_array_of_tables(item) for item in value.values()
            )
            if holds_values:
                yield ""
                yield f"[{header}]"
            yield from _toml_lines(value, path)
        else:
            for entry in value:
                yield ""
                yield f"[[{header}]]"
                yield from _toml_lines(entry, path)


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and {isinstance(item, Mapping) for item in value} == {True}


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return repr(value)
