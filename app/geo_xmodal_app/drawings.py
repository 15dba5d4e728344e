"""Labels that somebody draws on a scene: classes and polygons, kept on the server while they are drawn.

A drawing belongs to a session and a scene. The browser sends all of it with every change, and at most one
thing that was added to it (a polygon, or the way of a brush); the polygons that come back share no place.
Coordinates are columns and rows of the scene's grid, (0, 0) at the outer corner of the first pixel. Nothing
of what the browser sends is believed before it has passed here.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import shapely
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import write_text
from geo_xmodal.small_files import SmallFile, read_json_object, validated
from geo_xmodal.types import LandClass
from geo_xmodal_app.drafts import ClassEdit, same_twice
from geo_xmodal_app.sessions import is_id, session_folder

ROOM, PACKAGE = "drawings", "labels.gpkg"

MAX_BYTES = 8 << 20
"""Of what the browser sends at once."""

MAX_CORNERS, MAX_POLYGONS = 200_000, 5_000
MAX_PATH = 10_000
"""Corners of what is added at once."""

MAX_RADIUS = 100.0
"""Of the brush, in pixels."""

ERASER = 0
"""The class of a brush that takes labels away."""

_CLASSES = ("class 1", "class 2")
"""Of a scene that names none."""

_CIRCLE = 4
"""Segments of a quarter of the brush's circle."""

_DIGITS = 3
_DRAWING = "drawing.json"
_FILE = SmallFile("the labels that were drawn", UsageError, "load the page again", 2 * MAX_BYTES)
_LOCK = threading.RLock()


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("expected finite numbers")
    return value


_Number = Annotated[float, AfterValidator(_finite)]
_Corner = tuple[_Number, _Number]
_Ring = Annotated[tuple[_Corner, ...], Field(min_length=4)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DrawnPolygon(_Checked):
    """A polygon of a class: its outer ring, then its holes."""

    label: int = Field(ge=1, le=255)
    rings: tuple[_Ring, ...] = Field(min_length=1)

    @property
    def shape(self) -> shapely.Polygon:
        """The polygon."""
        return shapely.Polygon(self.rings[0], self.rings[1:])


class Stroke(_Checked):
    """The way of a brush of `radius` pixels; of class `ERASER` it takes labels away."""

    label: int = Field(ge=ERASER, le=255)
    path: tuple[_Corner, ...] = Field(min_length=1, max_length=MAX_PATH)
    radius: float = Field(gt=0, le=MAX_RADIUS)


class Change(_Checked):
    """What the browser sends: all that is drawn, as revision `revision` had it but for what was changed."""

    revision: int = Field(ge=0)
    classes: tuple[ClassEdit, ...] = Field(max_length=255)
    polygons: tuple[DrawnPolygon, ...] = Field(max_length=MAX_POLYGONS)
    added: DrawnPolygon | Stroke | None = None
    new_class: str | None = Field(default=None, min_length=1, max_length=200)
    """Name of a class to add; its id and colour are chosen here."""


class Drawing(_Checked):
    """What is drawn on a scene.

    Attributes:
        scene: Id of the scene.
        height: Rows of its grid.
        width: Columns of its grid.
        revision: Grows with every change.
        classes: The classes, drawn or not.
        polygons: In the order in which they were drawn.
    """

    scene: str
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    revision: int = 0
    classes: tuple[ClassEdit, ...] = ()
    polygons: tuple[DrawnPolygon, ...] = ()

    @property
    def pixels(self) -> dict[int, int]:
        """About how many pixels of each class are drawn."""
        areas: Counter[int] = Counter()
        for one in self.polygons:
            areas[one.label] += one.shape.area
        return {id_: max(1, round(area)) for id_, area in areas.items()}

    @property
    def places(self) -> dict[int, int]:
        """Places of each class: polygons that touch are one."""
        found = {}
        for id_ in {one.label for one in self.polygons}:
            joined = shapely.union_all([one.shape for one in self.polygons if one.label == id_])
            found[id_] = len(shapely.get_parts(joined))
        return found

    @property
    def drawn_classes(self) -> tuple[LandClass, ...]:
        """The classes that something is drawn of."""
        drawn = {one.label for one in self.polygons}
        return tuple(LandClass(one.id, one.name, one.color) for one in self.classes if one.id in drawn)

    def for_browser(self) -> dict[str, Any]:
        """What the browser gets."""
        return {
            "revision": self.revision,
            "classes": [one.model_dump() for one in self.classes],
            "polygons": [one.model_dump() for one in self.polygons],
            "pixels": self.pixels,
        }


class OutdatedError(UsageError):
    """Somebody else has changed the drawing since."""


def drawing_id(scene: str) -> str:
    """The id of the drawing on a scene."""
    return hashlib.sha256(scene.encode()).hexdigest()[:32]


def begin(session: str, scene_id: str, scene: gx.Scene) -> Drawing:
    """The drawing of the session on a scene; one without polygons where there is none yet.

    Raises:
        UsageError: It is damaged.
        OutputError: The disk takes no file.
    """
    height, width = (int(side) for side in scene.grid.shape)
    with _LOCK:
        found = load(session, drawing_id(scene_id))
        if found is not None and (found.height, found.width) == (height, width):
            return found
        fresh = Drawing(scene=scene_id, height=height, width=width, classes=first_classes(scene.classes))
        _save(session, fresh)
        return fresh


def first_classes(known: Sequence[LandClass]) -> tuple[ClassEdit, ...]:
    """The classes of a scene, or two to be renamed where it has none."""
    classes = list(known)
    for name in () if classes else _CLASSES:
        classes.append(gx.added_class(name, classes))
    return tuple(ClassEdit(id=one.id, name=one.name, color=one.color) for one in classes)


def load(session: str, drawing: str) -> Drawing | None:
    """A drawing of the session; None if there is none.

    Raises:
        UsageError: It is damaged.
    """
    if not is_id(drawing):
        return None
    path = session_folder(session, ROOM, drawing, make=False) / _DRAWING
    return validated(Drawing, read_json_object(path, _FILE), path, _FILE) if path.is_file() else None


def change(session: str, drawing: str, wanted: Change) -> Drawing:
    """Change a drawing.

    Raises:
        UsageError: There is no such drawing; classes share a name or a colour, or polygons have a class that
            is none of them, lie outside the grid, or are too many.
        OutdatedError: It has been changed since the browser got it.
        OutputError: The disk takes no file.
    """
    with _LOCK:
        before = load(session, drawing)
        if before is None:
            raise UsageError("nothing is drawn here any more: load the page again")
        if wanted.revision != before.revision:
            raise OutdatedError(
                "the labels were changed in another tab or window: they are shown as they are"
            )
        made = changed(before, wanted)
        _save(session, made)
        return made


def changed(before: Drawing, wanted: Change) -> Drawing:
    """A drawing after a change.

    Raises:
        UsageError: As for `change`.
    """
    classes = _with_class(wanted)
    twice = same_twice(classes)
    if twice is not None:
        raise UsageError(twice)
    known = {one.id for one in classes}
    if len(known) < len(classes):
        raise UsageError("two classes have one id: load the page again")
    added = wanted.added
    labels = {one.label for one in wanted.polygons}
    labels |= set() if added is None else {added.label} - ({ERASER} if isinstance(added, Stroke) else set())
    if not labels <= known:
        raise UsageError(
            f"class {min(labels - known)} is drawn and is none of the classes: load the page again"
        )
    _check_corners(before, wanted)
    shapes = [(one.label, one.shape) for one in wanted.polygons]
    if not shapely.is_valid([shape for _, shape in shapes]).all():
        raise UsageError("a polygon crosses itself: load the page again")
    if added is not None:
        shapes = _with_added(shapes, added, shapely.box(0, 0, before.width, before.height))
    polygons = tuple(_polygon(label, shape) for label, shape in shapes)
    if len(polygons) > MAX_POLYGONS or _corners(polygons) > MAX_CORNERS:
        raise UsageError(
            f"{len(polygons)} polygons of {_corners(polygons)} corners, expected at most {MAX_POLYGONS} of "
            f"{MAX_CORNERS}: draw larger areas with fewer strokes"
        )
    return before.model_copy(
        update={"revision": before.revision + 1, "classes": classes, "polygons": polygons}
    )


def _with_class(wanted: Change) -> tuple[ClassEdit, ...]:
    names = [one.name for one in wanted.classes] + [wanted.new_class or "new"]
    if not all(name.isprintable() and name.strip() == name for name in names):
        raise UsageError("a class has letters in its name that cannot be shown, or spaces around it")
    if wanted.new_class is None:
        return wanted.classes
    known = [LandClass(one.id, one.name, one.color) for one in wanted.classes]
    made = gx.added_class(wanted.new_class, known)
    return (*wanted.classes, ClassEdit(id=made.id, name=made.name, color=made.color))


def _check_corners(before: Drawing, wanted: Change) -> None:
    """See that what is there lies on the grid; what is added may begin and end beside it."""
    if _corners(wanted.polygons) > MAX_CORNERS:
        raise UsageError(f"more than {MAX_CORNERS} corners: draw larger areas with fewer strokes")
    places = [corner for one in wanted.polygons for ring in one.rings for corner in ring]
    _check_within(places, before, beyond=1e-6)
    if isinstance(wanted.added, DrawnPolygon):
        if _corners([wanted.added]) > MAX_PATH:
            raise UsageError(f"more than {MAX_PATH} corners in one polygon: draw it with fewer")
        _check_within([corner for ring in wanted.added.rings for corner in ring], before, beyond=1.0)
    elif wanted.added is not None:
        _check_within(wanted.added.path, before, beyond=1.0)


def _check_within(corners: Sequence[_Corner], drawing: Drawing, beyond: float) -> None:
    """See that corners lie on the grid, or at most so many times its size beside it."""
    if not corners:
        return
    places = np.asarray(corners) / (drawing.width, drawing.height)
    if places.min() < -beyond or places.max() > 1 + beyond:
        raise UsageError("a corner lies outside of the scene: draw within it")


def _corners(polygons: Iterable[DrawnPolygon]) -> int:
    return sum(len(ring) for one in polygons for ring in one.rings)


_Labelled = tuple[int, shapely.Polygon]


def _with_added(
    shapes: Sequence[_Labelled], added: DrawnPolygon | Stroke, grid: shapely.Polygon
) -> list[_Labelled]:
    """Polygons without what something new covers, and the new."""
    if isinstance(added, Stroke):
        line = shapely.LineString(added.path) if len(added.path) > 1 else shapely.Point(added.path[0])
        new = shapely.buffer(line, added.radius, quad_segs=_CIRCLE)
    else:
        new = shapely.make_valid(added.shape)
    # ends of strokes, and what is left of cuts, on a lattice: no slivers, and little to send
    new = shapely.set_precision(shapely.intersection(new, grid), 10.0**-_DIGITS)
    fresh = polygon_parts(new)
    if not fresh:
        raise UsageError("nothing of it lies on the scene: draw within it")
    kept: list[_Labelled] = []
    for label, shape in shapes:
        if not shapely.intersects(shape, new):
            kept.append((label, shape))
            continue
        rest = shapely.set_precision(shapely.difference(shape, new), 10.0**-_DIGITS)
        kept += [(label, part) for part in polygon_parts(rest)]
    return kept + ([] if added.label == ERASER else [(added.label, part) for part in fresh])


def polygon_parts(shape: shapely.Geometry) -> list[shapely.Polygon]:
    """The polygons of a geometry; lines and points that a cut leaves are none."""
    return [part for part in shapely.get_parts(shape) for part in _areas(part)]


def _areas(part: shapely.Geometry) -> list[shapely.Polygon]:
    found = shapely.get_parts(part) if part.geom_type.startswith("Multi") else [part]
    return [one for one in found if one.geom_type == "Polygon" and not one.is_empty]


def _polygon(label: int, shape: shapely.Polygon) -> DrawnPolygon:
    rings = (shape.exterior, *shape.interiors)
    corners = tuple(
        tuple((round(float(x), _DIGITS), round(float(y), _DIGITS)) for x, y in ring.coords) for ring in rings
    )
    return DrawnPolygon(label=label, rings=corners)


def write_package(drawing: Drawing, scene: gx.Scene, out: Path) -> Path:
    """Write a drawing as a GeoPackage that `geo-xmodal align --labels` takes.

    Raises:
        UsageError: Nothing is drawn.
        OutputError: It cannot be written.
    """
    if not drawing.polygons:
        raise UsageError("nothing is drawn yet")
    shapes = [(one.label, one.shape) for one in drawing.polygons]
    return gx.export_labels(shapes, scene.grid, drawing.drawn_classes, out)


def folder_of(session: str, drawing: Drawing) -> Path:
    """Where a drawing lies, and files that are made of it."""
    return session_folder(session, ROOM, drawing_id(drawing.scene))


def _save(session: str, drawing: Drawing) -> None:
    write_text(folder_of(session, drawing) / _DRAWING, drawing.model_dump_json() + "\n")
