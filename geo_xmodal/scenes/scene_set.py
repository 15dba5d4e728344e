"""Scenes that are learned from together, each on its own grid: their classes and sensors joined by name."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import LabelError, SceneError, UsageError
from geo_xmodal.kinds import KINDS, Kind
from geo_xmodal.raster import (
    Adaptation,
    WindowReader,
    few_names,
    match_bands,
    name_key,
    overlap,
    pixel_size,
    size_text,
    sizes_differ,
)
from geo_xmodal.scenes.align import scene_name
from geo_xmodal.scenes.config import CONFIG_NAME
from geo_xmodal.scenes.labelled import LabelledPixels, Side, every_labelled_pixel, labelled_pixels, windows_of
from geo_xmodal.scenes.legend import free_color, free_id
from geo_xmodal.scenes.scene import Scene, list_scenes, open_scene
from geo_xmodal.small_files import SmallFile, read_text
from geo_xmodal.types import ClassArray, LandClass, Window
from geo_xmodal.wording import names_text

_LIST = SmallFile("a list of scenes, one a line", UsageError, "give one name or path a line", 4 << 20)
_NOBODY = LabelledPixels(np.empty((0, 2), np.int64), np.empty(0, np.uint8))


@dataclass(frozen=True)
class Sensor:
    """A modality of a scene, as the scenes that are learned from together have it.

    Attributes:
        name: In the scene.
        places: Of the joined bands among its own, from 0; None where they are its own in their order.
    """

    name: str
    places: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Member:
    """One of the scenes.

    Attributes:
        scene: The scene.
        number: Its place among those given, from 0.
        held_out: Whether nothing of it trains: all its labels test.
        target: The sensor that maps are made from.
        auxiliary: The auxiliary sensor; None where it has none, or is held out.
        ids: The joined class id of each of its own.
    """

    scene: Scene
    number: int
    held_out: bool
    target: Sensor
    auxiliary: Sensor | None
    ids: Mapping[int, int]

    @property
    def name(self) -> str:
        """The scene's."""
        return self.scene.name

    def reader(self, sensor: Sensor) -> WindowReader:
        """The bands of a sensor that all scenes have, in one order.

        Raises:
            RasterError, AlignmentError: As `Scene.reader`.
        """
        reader = self.scene.reader(sensor.name)
        return reader if sensor.places is None else reader.adapted(Adaptation(bands=sensor.places))

    def labels(self, side: Side) -> LabelledPixels:
        """Its training or test pixels with joined class ids; of a scene that is held out, all of them test.

        Raises:
            LabelError: They hold values outside the scene's classes.
        """
        return self._training if side == "train" else self._testing

    @cached_property
    def _training(self) -> LabelledPixels:
        return self._joined("train")

    @cached_property
    def _testing(self) -> LabelledPixels:
        return self._joined("test")

    def _joined(self, side: Side) -> LabelledPixels:
        if not self.has_labels or (self.held_out and side == "train"):
            return _NOBODY
        found = every_labelled_pixel(self.scene) if self.held_out else labelled_pixels(self.scene, side)
        return found if self._keeps_ids else LabelledPixels(found.position, self._table[found.label])

    @property
    def has_labels(self) -> bool:
        """Whether it has labels at all."""
        return self.scene.has_labels("train")

    @property
    def single_pixels(self) -> bool:
        """Whether the scene is made of points, which lie on no ground together."""
        return self.scene.points is not None

    @property
    def simulated(self) -> bool:
        """Whether the scene is."""
        return self.scene.simulated

    @property
    def grid(self) -> GeoBox:
        """The scene's."""
        return self.scene.grid

    @property
    def rows(self) -> int:
        """Rows on which windows are counted."""
        return int(self.grid.shape[0])

    @property
    def tests(self) -> bool:
        """Whether it has a test pixel."""
        return len(self.labels("test")) > 0

    def pictured(self) -> Self:
        """What of it to look at: all."""
        return self

    def test_windows(self, size: int) -> Iterator[tuple[Window, ClassArray]]:
        """The windows of `size` x `size` pixels that hold test labels, and these; row by row."""
        return windows_of(self.labels("test"), self.scene.grid, size)

    def read_labels(self, side: Side, window: Window) -> ClassArray:
        """Joined class ids (row, col) of a window, 0 = unlabelled."""
        return self.labels(side).within(window)

    @property
    def _keeps_ids(self) -> bool:
        return all(own == joined for own, joined in self.ids.items())

    @cached_property
    def _table(self) -> ClassArray:
        table = np.zeros(256, np.uint8)
        table[list(self.ids)] = list(self.ids.values())
        return table


@dataclass(frozen=True)
class SceneSet:
    """Scenes that are learned from together; one scene is a set of one.

    Attributes:
        members: In the order given.
        classes: The legend of all, in the order of the first scene; then what others add.
        notes: What was joined otherwise than by equal names, and what is taken for granted, a line each.
    """

    members: tuple[Member, ...]
    classes: tuple[LandClass, ...]
    notes: tuple[str, ...] = ()

    @property
    def training(self) -> tuple[Member, ...]:
        """Those that train."""
        return tuple(one for one in self.members if not one.held_out)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names of those that only test."""
        return tuple(one.name for one in self.members if one.held_out)

    @property
    def single_pixels(self) -> bool:
        """Whether any of them is made of points, which have no pixels around them."""
        return any(one.single_pixels for one in self.members)

    @property
    def several(self) -> bool:
        """Whether there are two or more."""
        return len(self.members) > 1

    @property
    def target(self) -> str:
        """Name of the modality that maps are made from, in the first scene."""
        return self.members[0].target.name

    @property
    def kind(self) -> Kind:
        """What that sensor measures."""
        return self.members[0].scene.modality(self.target).kind

    @property
    def name(self) -> str:
        """The names of all, the first of many."""
        return names_text([one.name for one in self.members])

    @property
    def simulated(self) -> tuple[str, ...]:
        """Names of those that are simulated."""
        return tuple(one.name for one in self.members if one.scene.simulated)

    def joined_classes(self) -> list[dict[str, Any]]:
        """Which class of which scene became which: plain values, ready for JSON."""
        return [
            {
                "id": land.id,
                "name": land.name,
                "scenes": {
                    one.name: own
                    for one in self.members
                    for own, joined in one.ids.items()
                    if joined == land.id
                },
            }
            for land in self.classes
        ]

    def describe(self) -> dict[str, Any]:
        """The scenes and what was joined, for config.json."""
        if not self.several:
            (only,) = self.members
            return {"scene": {"name": only.name, "simulated": only.scene.simulated}}
        return {
            "scenes": [
                {
                    "name": one.name,
                    "simulated": one.scene.simulated,
                    "held_out": one.held_out,
                    "target": one.target.name,
                    "auxiliary": None if one.auxiliary is None else one.auxiliary.name,
                }
                for one in self.members
            ],
            "classes": self.joined_classes(),
        }


def open_scenes(names_or_paths: Sequence[str | Path], *, addresses: bool = False) -> tuple[Scene, ...]:
    """The scenes named: each a scene, a folder of scene folders, or a `.txt` list of either, one a line.

    Lines that begin with `#` are comments; paths in a list are relative to it. Scenes of one name are called
    by their folders.

    Args:
        names_or_paths: As `open_scene` takes them, or folders or lists of such.
        addresses: As for `open_scene`.

    Raises:
        SceneError: As `open_scene`.
        UsageError: A list is none, or names nothing.
    """
    places = [place for given in names_or_paths for place in _spelt_out(given)]
    scenes = [open_scene(place, addresses=addresses) for place in places]
    times = Counter(one.name for one in scenes)
    return tuple(one if times[one.name] == 1 else _called_by_its_folder(one) for one in scenes)


def _called_by_its_folder(scene: Scene) -> Scene:
    """The scene under another name."""
    name = scene_name(scene.folder.resolve().name)
    return dataclasses.replace(scene, config=scene.config.model_copy(update={"name": name}))


def _spelt_out(given: str | Path) -> list[str | Path]:
    path = Path(given).expanduser()
    if path.suffix.lower() == ".txt" and path.is_file():
        lines = [line.strip() for line in read_text(path, _LIST).splitlines()]
        named = [line for line in lines if line and not line.startswith("#")]
        if not named:
            raise UsageError(f"{path} names no scene: give one name or path a line")
        known = {one.name for one in list_scenes()}
        places = [line if line in known else path.parent / Path(line).expanduser() for line in named]
        return [one for place in places for one in _in_folder(place)]
    return _in_folder(given)


def _in_folder(given: str | Path) -> list[str | Path]:
    """The scene folders in a folder that is none itself; what is given otherwise, as it is."""
    path = Path(given).expanduser()
    if not path.is_dir() or (path / CONFIG_NAME).is_file():
        return [given]
    return sorted(one.parent for one in path.glob(f"*/{CONFIG_NAME}")) or [given]


def join_scenes(
    scenes: Scene | Sequence[Scene],
    *,
    target: str | None = None,
    auxiliary: str | None = None,
    hold_out: Sequence[str] = (),
) -> SceneSet:
    """Scenes as one: what of each is the same as of the others, by name.

    Two classes are one if their names are (`geo_xmodal.raster.name_key`); id and colour are those of the
    first scene that has the class, or free ones where another class has them. A scene without labels brings
    no class. Sensors are those of the same name, else the only one of the same kind, with bands by name.

    Args:
        scenes: One or several, the first of which others are compared with.
        target: Modality that maps are made from; None is the first scene's.
        auxiliary: Modality that only training has; None is the HSI, else any.
        hold_out: Scenes that only test, by name or folder.

    Raises:
        UsageError: A scene comes twice, a name is no scene's, or all are held out.
        SceneError: A sensor is missing, of another kind, unit or other bands; or pixels are of another size.
        LabelError: Scenes have no class in common, or more classes than a map can hold.
    """
    given = (scenes,) if isinstance(scenes, Scene) else tuple(scenes)
    _check_names(given)
    held_out = _held_out(given, hold_out)
    first = given[0]
    target_name = first.target if target is None else target
    kind = first.modality(target_name).kind
    if auxiliary == target_name:
        raise UsageError(
            f"{auxiliary} is both the target and the auxiliary modality; name another one as auxiliary"
        )
    training = [one for one in given if one.name not in held_out]
    classes, ids = _joined_classes(given)
    notes = [*_pixel_sizes(given), *_common_ground(given)]
    targets = _targets(given, target_name, kind, notes)
    auxiliaries = _auxiliaries(training, targets, auxiliary, notes)
    members = tuple(
        Member(one, number, one.name in held_out, targets[one.name], auxiliaries.get(one.name), ids[one.name])
        for number, one in enumerate(given)
    )
    return SceneSet(members, classes, tuple(notes))


def _check_names(scenes: Sequence[Scene]) -> None:
    if not scenes:
        raise UsageError("no scene to learn from: name one or several")
    for one, other in itertools.combinations(scenes, 2):
        if one.folder.resolve() == other.folder.resolve():
            raise UsageError(f"scene {one.name} ({one.folder}) is given twice: give each scene once")
        if one.name == other.name:
            raise UsageError(
                f"two scenes are called {one.name!r}, {one.folder} and {other.folder}: give one of them "
                f"another name in its {CONFIG_NAME}"
            )


def _held_out(scenes: Sequence[Scene], hold_out: Sequence[str]) -> set[str]:
    """Names of the scenes to hold out."""
    names = {one.name: one.name for one in scenes}
    folders = {str(one.folder.resolve()): one.name for one in scenes}
    held_out = set()
    for given in hold_out:
        name = names.get(given) or folders.get(str(Path(given).expanduser().resolve()))
        if name is None:
            raise UsageError(
                f"{given!r} is to be held out, and none of the scenes: they are {', '.join(names)}"
            )
        held_out.add(name)
    if held_out == set(names):
        raise UsageError(
            f"all scenes are held out ({', '.join(names)}), and none is left to train on: hold out fewer"
        )
    return held_out


def _joined_classes(
    scenes: Sequence[Scene],
) -> tuple[tuple[LandClass, ...], dict[str, dict[int, int]]]:
    """The legend of all, and the joined id of each scene's own ids."""
    first = scenes[0]
    if len(scenes) == 1:
        return first.classes, {first.name: {land.id: land.id for land in first.classes}}
    labelled = [one for one in scenes if one.has_labels("train")]
    _check_common(labelled)
    joined: dict[str, LandClass] = {}
    ids: dict[str, dict[int, int]] = {one.name: {} for one in scenes}
    for scene in labelled:
        for land in scene.classes:
            key = name_key(land.name)
            if key not in joined:
                where = f"the classes of {names_text([one.name for one in labelled])} together"
                taken = {one.id for one in joined.values()}
                id_ = free_id(taken, where) if land.id in taken else land.id
                color = free_color(land.color, [one.color for one in joined.values()])
                joined[key] = LandClass(id_, land.name, color)
            ids[scene.name][land.id] = joined[key].id
    return tuple(joined.values()), ids


def _check_common(scenes: Sequence[Scene]) -> None:
    """See that classes in common lead from each scene to every other."""
    keys = {one.name: {name_key(land.name) for land in one.classes} for one in scenes}
    linked, reached = list(scenes[:1]), set(keys[scenes[0].name]) if scenes else set()
    for _ in scenes[1:]:
        near = next((one for one in scenes if one not in linked and keys[one.name] & reached), None)
        if near is None:
            apart = next(one for one in scenes if one not in linked)
            raise LabelError(
                f"{linked[0].name} and {apart.name} have no class in common: {_class_list(linked[0])}, "
                f"{_class_list(apart)}; give classes that are the same the same name in {CONFIG_NAME}"
            )
        linked.append(near)
        reached |= keys[near.name]


def _class_list(scene: Scene) -> str:
    shown = [land.name for land in scene.classes[:10]]
    return f"{scene.name} has {', '.join(shown)}{', ...' if len(scene.classes) > 10 else ''}"


def _pixel_sizes(scenes: Sequence[Scene]) -> list[str]:
    """See that pixels are of about one size; a line where that cannot be told."""
    scenes = [one for one in scenes if one.points is None]  # a point has no size
    first, notes = next(iter(scenes), None), list[str]()
    for scene in scenes[1:]:
        assert first is not None
        (*expected, unit), (*found, other) = pixel_size(first.grid), pixel_size(scene.grid)
        here, there = size_text(first.grid), size_text(scene.grid)
        sizes = f"pixels of {first.name} are {here}, those of {scene.name} {there}"
        if unit != other:
            notes.append(f"{sizes}: whether they are the same cannot be told")
        elif sizes_differ((expected[0], expected[1]), (found[0], found[1])):
            raise SceneError(f"{sizes}: bring the scenes to one pixel size with `geo-xmodal align`")
    return notes


def _common_ground(scenes: Sequence[Scene]) -> list[str]:
    return [
        f"{one.name} and {other.name} lie on the same ground: accuracy on one looks too good after training "
        "on the other"
        for one, other in itertools.combinations(scenes, 2)
        if meet(one.grid, other.grid)
    ]


def _targets(scenes: Sequence[Scene], name: str, kind: Kind, notes: list[str]) -> dict[str, Sensor]:
    first, found = scenes[0], {}
    for scene in scenes:
        own = find_modality(scene, name, kind)
        if own is None:
            raise SceneError(
                f"scene {scene.name} has {', '.join(scene.config.modalities)}, and none of them is surely "
                f"{name} ({kind}), which {first.name} maps from: give the sensor that name in {CONFIG_NAME}"
            )
        found[scene.name] = _sensor(scene, own, first, name, notes)
    return found


def _auxiliaries(
    scenes: Sequence[Scene], targets: Mapping[str, Sensor], asked: str | None, notes: list[str]
) -> dict[str, Sensor]:
    """The auxiliary sensor of each scene that has it: the one asked for, or the best that any scene has."""
    if asked is not None:
        having = [one for one in scenes if asked in one.config.modalities]
        choice = (having[0] if having else scenes[0], asked)
    else:
        possible = [
            (one, name)
            for one in scenes
            for name in one.config.modalities
            if name not in (targets[one.name].name, *one.missing_modalities)
        ]
        if not possible:
            return {}
        choice = min(possible, key=lambda pair: KINDS[pair[0].modality(pair[1]).kind].auxiliary)
    first, name = choice
    kind, found = first.modality(name).kind, {}
    for scene in scenes:
        own = find_modality(scene, name, kind)
        if own == targets[scene.name].name or (asked is None and own in scene.missing_modalities):
            own = None
        if own is None:
            notes.append(
                f"{scene.name} has no {name}: its pixels are known to {targets[scene.name].name} alone"
            )
        else:
            found[scene.name] = _sensor(scene, own, first, name, notes)
    return found


def meet(grid: GeoBox, other: GeoBox) -> bool:
    """Whether two grids are known to have ground in common."""
    return grid.crs is not None and other.crs is not None and overlap(grid, other)[0] > 0


def find_modality(scene: Scene, name: str, kind: Kind) -> str | None:
    """The scene's modality called `name`, else the only one of its kind; None if none is surely it."""
    if name in scene.config.modalities:
        return name
    alike = [other for other, one in scene.config.modalities.items() if one.kind == kind]
    return alike[0] if len(alike) == 1 else None


def _sensor(scene: Scene, name: str, first: Scene, expected: str, notes: list[str]) -> Sensor:
    """The sensor `name` of a scene, which is to be the one that `first` calls `expected`."""
    if scene is first:
        return Sensor(name)
    ours, theirs = f"{name} of {scene.name}", f"{expected} of {first.name}"
    kind, other = scene.modality(name).kind, first.modality(expected).kind
    if kind != other:
        raise SceneError(
            f"{ours} is {kind}, {theirs} is {other}: give sensors that are not the same two names"
        )
    reader, model = scene.reader(name), first.reader(expected)
    if reader.product is not None and model.product is not None and reader.product.contradicts(model.product):
        raise SceneError(f"{ours} holds features of {reader.product}, {theirs} those of {model.product}")
    match = match_bands(model.band_names, reader)
    if match is None:
        raise SceneError(
            f"{ours} has the {len(reader.bands)} bands {few_names(reader.band_names)}, {theirs} the "
            f"{len(model.bands)} bands {few_names(model.band_names)}: choose the same with bands = [...] in "
            f"{CONFIG_NAME}"
        )
    for place, band in zip(match.places, model.bands, strict=True):
        unit = reader.bands[place].unit
        if unit and band.unit and unit != band.unit:
            raise SceneError(f"{ours} is in {unit}, {theirs} in {band.unit}: bring both to one unit")
    if match.assumed:
        notes.append(f"{ours}: {match.assumed}")
    whole = match.places == tuple(range(len(reader.bands)))
    return Sensor(name, None if whole else match.places)
