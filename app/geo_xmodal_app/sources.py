"""Files that a session may work with: its uploads, and what lies in the folders that the operator allows.

A file is known by an id that is looked up in what is listed here; nobody types a path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import geo_xmodal as gx
from geo_xmodal.small_files import real_path
from geo_xmodal_app.sessions import session_folder
from geo_xmodal_app.settings import settings
from geo_xmodal_app.uploads import uploads

RASTERS = (".tif", ".tiff")
AREAS, KEPT_AREA = "areas", "area.gpkg"
"""Room of a session for areas that were drawn and saved, and the file of one."""

_DEEPEST, _MAX = 4, 2000


@dataclass(frozen=True)
class SourceFile:
    """A file to work with.

    Attributes:
        id: `upload:...`, `data:...` or `area:...`.
        name: As the user knows it.
        path: Where it lies.
        labels: Uploaded as labels, or a vector.
    """

    id: str
    name: str
    path: Path
    labels: bool

    @property
    def is_raster(self) -> bool:
        """Whether its name is that of a raster."""
        return self.name.lower().endswith(RASTERS)


def uploaded_files(session: str) -> tuple[SourceFile, ...]:
    """The session's uploads that are no models, the oldest first."""
    found = (
        SourceFile(f"upload:{one.id}", one.name, one.path, one.purpose != "raster")
        for one in uploads().uploads(session)
        if one.path is not None and one.purpose in ("raster", "labels")
    )
    return tuple(reversed(tuple(found)))


def area_files(session: str) -> Mapping[str, SourceFile]:
    """Vectors that an area may come from, by id."""
    uploaded = (
        SourceFile(f"upload:{one.id}", one.name, one.path, True)
        for one in uploads().uploads(session)
        if one.path is not None and one.purpose in ("area", "labels")
    )
    found = (*kept_areas(session), *uploaded, *data_files())
    return {one.id: one for one in found if not one.is_raster}


def kept_areas(session: str) -> tuple[SourceFile, ...]:
    """Areas that were drawn on a map and saved, by name."""
    files = sorted(session_folder(session, AREAS).glob(f"*/{KEPT_AREA}"))
    return tuple(
        SourceFile(f"area:{one.parent.name}", f"{one.parent.name}.gpkg", one, False) for one in files
    )


def data_files() -> tuple[SourceFile, ...]:
    """Rasters and vectors in the operator's folders, by name; at most `_MAX`."""
    found: list[SourceFile] = []
    for root in settings().data:
        for path in _walk(root):
            name = path.relative_to(root.parent).as_posix()
            found.append(SourceFile(f"data:{name}", name, path, path.suffix.lower() in gx.VECTOR_SUFFIXES))
            if len(found) >= _MAX:
                return tuple(found)
    return tuple(found)


def source_files(session: str) -> Mapping[str, SourceFile]:
    """All files of the session, by id."""
    return {one.id: one for one in (*uploaded_files(session), *data_files())}


def _walk(root: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(root):
        here = Path(folder)
        depth = len(here.relative_to(root).parts)
        inner[:] = sorted(name for name in inner if not name.startswith(".")) if depth < _DEEPEST else []
        for name in sorted(files):
            path = here / name
            known = path.suffix.lower() in (*RASTERS, *gx.VECTOR_SUFFIXES)
            if known and real_path(path).is_relative_to(root):
                yield path
