"""A scene that is being made: which files take part in it, and what its classes and split shall be.

A draft is a small file in a folder of its own, so that a reload and a second tab show the same, and a new
scene begins with nothing of the last one. What
`geo-xmodal align` has no option for (class names, colours, the split) is kept beside the new scene and
written into its scene.toml when the job is done (`jobs`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import geo_xmodal as gx
from geo_xmodal.errors import SceneError, UsageError
from geo_xmodal.outputs import write_text
from geo_xmodal.small_files import SmallFile, first_problem, read_json_object, validated
from geo_xmodal.types import Kind
from geo_xmodal_app.inspection import LabelFinding
from geo_xmodal_app.sessions import session_folder

SCENE = "scene"
"""Folder of the scene in the folder of its item."""

ROOM = "drafts"

Role = Literal["sensor", "labels", "train labels", "test labels", "unused"]

_DRAFT, _EDITS = "draft.json", "edits.json"
_FILE = SmallFile("what was told of a new scene", UsageError, "begin the scene again", 4 << 20)


class DraftFile(BaseModel):
    """A file of a draft: what it is for, and what it measures or which layer and column hold its classes.

    CRS and columns of coordinates are what was answered where a file does not say them; while that is not,
    the file is pending.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Role = "unused"
    kind: Kind | None = None
    layer: str | None = None
    column: str | None = None
    crs: str | None = None
    coordinates: tuple[str, str] | None = None
    pending: bool = False


class ClassEdit(BaseModel):
    """What a class is to be called, and its colour."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(ge=1, le=255)
    name: str = Field(min_length=1, max_length=200)
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")


class SplitEdit(BaseModel):
    """How one set of labels becomes training and test; what is None stays as `align` chooses it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["blocks", "random"] = "blocks"
    block: int | None = Field(default=None, ge=1, le=10_000)
    buffer: int | None = Field(default=None, ge=0, le=10_000)
    test: float = Field(default=0.5, gt=0, lt=1)


class Draft(BaseModel):
    """What the wizard was told so far."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    files: dict[str, DraftFile] = Field(default_factory=dict)
    uploads: tuple[str, ...] = ()
    """Uploads that were made for it."""
    made: str = ""
    """Item of the scene that was made of it, at last."""
    zero: bool = False
    """Whether 0 is a class in rasters of labels."""
    target: str | None = None
    scale: Literal["linear", "db"] | None = None
    name: str = ""
    split: SplitEdit = SplitEdit()
    classes: dict[str, tuple[str, str]] = Field(default_factory=dict)
    """Value in the labels to the name and colour of its class; values of one name are one class, and one
    without a name is left out."""


class SceneEdits(BaseModel):
    """What to change in a scene.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    sensors: tuple[str, ...] = ()
    """What each sensor's file was called, in the order of the modalities."""
    classes: tuple[ClassEdit, ...] = ()
    split: SplitEdit | None = None


def align_words(
    target: tuple[Kind, Path],
    others: Sequence[tuple[Kind, Path]],
    labels: Mapping[str, Sequence[LabelFinding]],
    reclass: Mapping[str, str],
    scale: Literal["linear", "db"] | None,
    name: str,
) -> list[str]:
    """Options of `geo-xmodal align`, but for the folder to make.

    Args:
        target: Kind and file of the sensor whose grid the scene gets.
        others: Kind and file of the others, in the order of `gx.KINDS`.
        labels: `labels`, `train-labels` or `test-labels` to files.
        reclass: Value in the labels to the name of its class, where that is another.
        scale: How radar files hold power; None leaves it to the command.
        name: Of the scene.
    """
    kind, reference = target
    words = [f"--reference={reference}", f"--target-kind={kind}"]
    words += [f"--{other}={path}" for other, path in others]
    for option, found in labels.items():
        for one in found:
            words.append(f"--{option}=" + ":".join(filter(None, map(str, one.place))))
            words += [f"--assign-crs={one.path}={one.hints.crs}"] if one.hints.crs else []
    named = {one.hints.coordinates for found in labels.values() for one in found} - {None}
    words += [f"--coordinates={','.join(columns)}" for columns in named if columns is not None]
    words += [f"--reclass={value}={name}" for value, name in reclass.items()]
    words += [f"--scale={scale}"] if scale else []
    # uploads may be removed: a scene that stays has its own copies
    return [*words, f"--name={name}", "--copy"]


def load_draft(session: str, draft: str) -> Draft:
    """A draft of the session by its name; an empty one if there is none, or it cannot be read.

    Raises:
        UsageError: It is no name of a draft.
    """
    path = session_folder(session, ROOM, draft, make=False) / _DRAFT
    try:
        return validated(Draft, read_json_object(path, _FILE), path, _FILE)
    except UsageError:
        return Draft()


def save_draft(session: str, draft: str, content: Draft) -> None:
    """Keep a draft."""
    write_text(session_folder(session, ROOM, draft) / _DRAFT, content.model_dump_json() + "\n")


def drafts(session: str) -> Mapping[str, Draft]:
    """Drafts with files of which no scene was made yet, the newest first."""
    found = session_folder(session, ROOM).glob(f"*/{_DRAFT}")
    names = [path.parent.name for path in sorted(found, key=_changed, reverse=True)]
    loaded = {name: load_draft(session, name) for name in names}
    return {name: draft for name, draft in loaded.items() if draft.files and not draft.made}


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def keep_edits(item: Path, edits: SceneEdits) -> None:
    """Keep what is to be changed in the scene that is being made in `item`."""
    write_text(item / _EDITS, edits.model_dump_json() + "\n")


def is_made(item: Path) -> bool:
    """Whether a new scene is there, with everything that was kept for it."""
    return (item / SCENE / "scene.toml").is_file() and not (item / _EDITS).is_file()


def apply_edits(item: Path, scene: Path) -> None:
    """Write what was kept for a new scene into its scene.toml; once, whether it can be or not.

    Raises:
        SceneError, UsageError, OutputError: It cannot be.
    """
    kept = item / _EDITS
    if kept.is_file():
        try:
            edit_scene(scene, validated(SceneEdits, read_json_object(kept, _FILE), kept, _FILE))
        finally:
            kept.unlink(missing_ok=True)


def same_twice(classes: Sequence[ClassEdit]) -> str | None:
    """What two classes share that must tell them apart: a name or a colour; None where nothing."""
    for what in ("name", "color"):
        seen: dict[str, ClassEdit] = {}
        for one in classes:
            before = seen.setdefault(getattr(one, what).casefold(), one)
            if before is not one:
                value = getattr(one, what)
                word = "colour" if what == "color" else "name"
                return (
                    f"classes {before.id} and {one.id} have the same {word} {value!r}: "
                    f"give each a {word} of its own"
                )
    return None


def edit_scene(folder: Path, edits: SceneEdits) -> None:
    """Change names and colours of classes, and the split, in a scene.toml.

    Raises:
        SceneError: The result describes no scene: a name or a colour comes twice, say.
        OutputError: It cannot be written.
    """
    twice = same_twice(edits.classes)
    if twice is not None:
        raise SceneError(twice)
    config = gx.read_config(folder)
    changed: dict[str, Any] = json.loads(config.model_dump_json())
    if edits.description:
        changed["description"] = edits.description
    for modality, sensor in zip(changed["modalities"].values(), edits.sensors, strict=False):
        modality["sensor"] = sensor
    by_id = {edit.id: edit for edit in edits.classes}
    for entry in changed["classes"]:
        if entry["id"] in by_id:
            entry |= by_id[entry["id"]].model_dump()
    if edits.split is not None and changed["split"] is not None:
        changed["split"] |= edits.split.model_dump(exclude_none=True)
    try:
        gx.write_config(gx.SceneConfig.model_validate(changed), folder)
    except ValidationError as error:
        raise SceneError(first_problem(error)) from None
