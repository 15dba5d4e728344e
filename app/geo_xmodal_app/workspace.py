"""What a session has on disk: scenes, runs, models and maps, each under an id for a page's address.

An id is looked up among what is there, and never becomes a path.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal.outputs import unfinished, write_json
from geo_xmodal.small_files import SmallFile, read_json_object, real_path
from geo_xmodal_app.drafts import SCENE, is_made
from geo_xmodal_app.sessions import session_folder
from geo_xmodal_app.settings import settings
from geo_xmodal_app.uploads import uploads

Origin = Literal["sample", "data", "yours", "shipped"]

ABOUT = "about.json"
MAP, PROBABILITY, PICTURE = "map.tif", "map_probability.tif", "map.png"
RUN = "run"
_ABOUT = SmallFile("what was asked", UsageError, "remove its folder", 4 << 20)
_DEEPEST = 4


@dataclass(frozen=True)
class SceneEntry:
    """A scene that this session may use."""

    id: str
    name: str
    folder: Path
    origin: Origin
    description: str = ""
    simulated: bool = False
    problem: str | None = None

    def opened(self) -> gx.Scene:
        """The scene; its files lie in its folder or in those of the operator, links followed.

        Raises:
            SceneError, RasterError: It cannot be used.
        """
        return gx.open_scene(self.folder, within=settings().data)


@dataclass(frozen=True)
class RunEntry:
    """A training run of this session; `about` is what it was asked."""

    id: str
    folder: Path
    about: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Whether its report is written."""
        return (self.folder / "report.html").is_file() and unfinished(self.folder) is None

    @property
    def has_model(self) -> bool:
        """Whether it left a model that is done."""
        return _has_model(self.folder)

    @property
    def controls(self) -> Mapping[str, Path]:
        """The run folders of its controls that are done, by its name; of several seeds the first."""
        found: dict[str, Path] = {}
        for folder in sorted((self.folder / "controls").glob("*/seed-*"), key=_seed_of):
            if _has_model(folder):
                found.setdefault(folder.parent.name, folder)
        return found


@dataclass(frozen=True)
class ModelEntry:
    """A model that this session may map with."""

    id: str
    name: str
    folder: Path
    origin: Origin

    def card(self) -> gx.Card:
        """Its card.

        Raises:
            BundleError: It is damaged.
        """
        return gx.read_card(self.folder)


@dataclass(frozen=True)
class MapEntry:
    """A map of this session, finished or in work."""

    id: str
    folder: Path
    about: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Whether the map is there."""
        return self.classes.is_file()

    @property
    def classes(self) -> Path:
        """The class map."""
        return self.folder / MAP

    @property
    def probability(self) -> Path | None:
        """The probability map, if it was asked for."""
        path = self.folder / PROBABILITY
        return path if path.is_file() else None


def scenes(session: str) -> tuple[SceneEntry, ...]:
    """The session's own scenes, then those of the operator's folders, then the samples."""
    return (*_own_scenes(session), *_data_scenes(), *_samples())


def scene(session: str, id: str | None) -> SceneEntry | None:
    """The scene of that id."""
    return next((entry for entry in scenes(session) if entry.id == id), None)


def runs(session: str) -> tuple[RunEntry, ...]:
    """Runs, the newest first."""
    return tuple(
        RunEntry(item.name, item / RUN, about(item)) for item in _items(session, "runs") if about(item)
    )


def run(session: str, id: str | None) -> RunEntry | None:
    """The run of that id."""
    return next((entry for entry in runs(session) if entry.id == id), None)


def models(session: str) -> tuple[ModelEntry, ...]:
    """Trained here, uploaded, then shipped ones; cards are not read."""
    trained = []
    for one in runs(session):
        if one.has_model:
            trained.append(ModelEntry(f"run:{one.id}", one.id, one.folder, "yours"))
        trained += [
            ModelEntry(control_id(one, name), f"{one.id}, control {name.replace('_', ' ')}", folder, "yours")
            for name, folder in one.controls.items()
        ]
    uploaded = [
        ModelEntry(f"upload:{one.id}", one.name, one.path, "yours")
        for one in uploads().uploads(session)
        if one.purpose == "bundle" and one.path is not None
    ]
    shipped = [ModelEntry(f"shipped:{one.name}", one.name, one.folder, "shipped") for one in gx.list_models()]
    return (*trained, *uploaded, *shipped)


def control_id(run: RunEntry, control: str) -> str:
    """The id of the model of a run's control."""
    return f"run:{run.id}/{control}"


def _has_model(folder: Path) -> bool:
    return (folder / "model" / "card.json").is_file() and unfinished(folder) is None


def _seed_of(folder: Path) -> int:
    number = folder.name.removeprefix("seed-")
    return int(number) if number.isdigit() else 0


def model(session: str, id: str | None) -> ModelEntry | None:
    """The model of that id."""
    return next((entry for entry in models(session) if entry.id == id), None)


def maps(session: str) -> tuple[MapEntry, ...]:
    """Maps, finished or in work, the newest first."""
    found = (MapEntry(item.name, item, about(item)) for item in _items(session, "maps"))
    return tuple(entry for entry in found if entry.about)


def finished_maps(session: str) -> tuple[MapEntry, ...]:
    """Maps that are there, the newest first."""
    return tuple(entry for entry in maps(session) if entry.finished)


def find_map(session: str, id: str | None) -> MapEntry | None:
    """The map of that id."""
    return next((entry for entry in maps(session) if entry.id == id), None)


def remove(session: str, room: str, item: str) -> None:
    """Remove an item of the session, with everything in it."""
    for found in _items(session, room):
        if found.name == item:
            shutil.rmtree(found, ignore_errors=True)


def unmade(session: str) -> tuple[Path, ...]:
    """Folders of scenes that are being made, or could not be."""
    return tuple(item for item in _items(session, "scenes") if not is_made(item))


def making(session: str, id: str | None) -> Path | None:
    """The folder of a scene of the session that is not there yet, by the scene's id."""
    for item in _items(session, "scenes"):
        if id == f"yours:{item.name}" and not is_made(item):
            return item
    return None


def new_item(session: str, room: str, wanted: str, asked: Mapping[str, Any]) -> Path:
    """A new folder in a room of the session (`runs`, `maps`, ...), with what was asked in it.

    Args:
        session: Whose.
        room: Which kind of thing.
        wanted: Its name, if that is free; else with a number.
        asked: For `about`.
    """
    base = (
        re.sub(r"[^\w. -]+", "-", unicodedata.normalize("NFC", wanted)).strip("-._ ")[:60].strip()
        or "unnamed"
    )
    parent, name, number = session_folder(session, room), base, 2
    while (parent / name).exists():
        name, number = f"{base}-{number}", number + 1
    folder = session_folder(session, room, name)
    write_json(folder / ABOUT, dict(asked))
    return folder


def about(folder: Path) -> dict[str, Any]:
    """What was asked for an item; empty if it is none of ours."""
    try:
        return read_json_object(folder / ABOUT, _ABOUT)
    except UsageError:
        return {}


def _items(session: str, room: str) -> list[Path]:
    found = [item for item in session_folder(session, room).iterdir() if item.is_dir()]
    return sorted(found, key=_made, reverse=True)


def _made(item: Path) -> float:
    try:
        return (item / ABOUT).stat().st_mtime
    except OSError:
        return 0.0


def _own_scenes(session: str) -> Iterator[SceneEntry]:
    for item in _items(session, "scenes"):
        if is_made(item):
            yield _entry(f"yours:{item.name}", item.name, item / SCENE, "yours")


def _data_scenes() -> Iterator[SceneEntry]:
    for root in settings().data:
        for depth in range(_DEEPEST):
            for config in sorted(root.glob("/".join([*["*"] * depth, "scene.toml"]))):
                folder = config.parent
                if real_path(folder).is_relative_to(root):
                    place = folder.relative_to(root.parent).as_posix()
                    yield _entry(f"data:{place}", folder.name, folder, "data")


def _samples() -> Iterator[SceneEntry]:
    for one in gx.list_scenes():
        if one.source == "sample":
            yield SceneEntry(
                f"sample:{one.name}",
                one.name,
                one.folder,
                "sample",
                one.description,
                one.simulated,
                one.problem,
            )


def _entry(id: str, name: str, folder: Path, origin: Origin) -> SceneEntry:
    try:
        config = gx.read_config(folder, within=settings().data)
    except GeoXmodalError as error:
        return SceneEntry(id, name, folder, origin, problem=str(error))
    return SceneEntry(id, name, folder, origin, config.description, config.simulated)
