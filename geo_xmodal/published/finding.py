"""Which files of a folder are meant by a name, in whatever subfolder and spelling of case they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from geo_xmodal.errors import SceneError
from geo_xmodal.published.catalogue import Source
from geo_xmodal.small_files import real_path

MATLAB = (".mat",)
GEOTIFF = (".tif", ".tiff")
ENVI = ("", ".dat", ".img", ".pix", ".bsq", ".bil", ".bip")
REGIONS = (".txt",)

_MAX_FILES = 20_000
_MAX_DEEP = 6
_MAX_SHOWN = 12


@dataclass(frozen=True)
class Folder:
    """The files of a folder and its subfolders.

    Attributes:
        path: The folder.
        files: Lower-case file name to the places where there is one.
    """

    path: Path
    files: Mapping[str, tuple[Path, ...]]

    @property
    def contents(self) -> str:
        """Some file names, for a message."""
        names = sorted({place.name for places in self.files.values() for place in places})
        more = f", ... ({len(names)} in all)" if len(names) > _MAX_SHOWN else ""
        return ", ".join(names[:_MAX_SHOWN]) + more if names else "no files"

    def shown(self, file: Path) -> str:
        """The file as seen from the folder."""
        return str(file.relative_to(self.path))

    def find(self, stem: str, endings: Sequence[str]) -> Path | None:
        """The file of that name with the first of `endings` that is there, the one closest to the top.

        ENVI data count only with a header beside.

        Raises:
            SceneError: Several lie equally deep, or it is a link that leads out of the folder.
        """
        for ending in endings:
            places = self.files.get((stem + ending).lower(), ())
            if endings == ENVI:
                places = tuple(place for place in places if self.header(place) is not None)
            if places:
                return self._one(places)
        return None

    def find_all(self, wanted: Source, endings: Sequence[str]) -> tuple[Path, ...]:
        """The files of a source, or none if one of them is missing."""
        found = [self.find(stem, endings) for stem in wanted.stems]
        return () if None in found else tuple(place for place in found if place is not None)

    def header(self, data: Path) -> Path | None:
        """The ENVI header beside a data file: its name with `.hdr` behind, or in place of its ending."""
        for name in (f"{data.name}.hdr", f"{data.stem}.hdr"):
            for place in self.files.get(name.lower(), ()):
                if place.parent == data.parent and place != data:
                    return self._one((place,))
        return None

    def _one(self, places: Sequence[Path]) -> Path:
        depth = min(len(place.parts) for place in places)
        highest = [place for place in places if len(place.parts) == depth]
        if len(highest) > 1:
            shown = ", ".join(self.shown(place) for place in highest)
            raise SceneError(
                f"{self.path}: several files of one name: {shown}; give the folder of the one scene"
            )
        if not real_path(highest[0]).is_relative_to(real_path(self.path)):
            raise SceneError(f"{highest[0]}: a link that leads out of {self.path}; copy the file there")
        return highest[0]


def list_folder(path: Path) -> Folder:
    """The files of a folder; links to folders are not followed.

    Raises:
        SceneError: There is no such folder, it cannot be read, or holds more files than any copy of a scene.
    """
    if not path.is_dir():
        what = (
            "is a file, expected the folder that holds the scene's files"
            if path.exists()
            else "no such folder"
        )
        raise SceneError(f"{path}: {what}")
    files: dict[str, tuple[Path, ...]] = {}
    for number, file in enumerate(_files(path)):
        if number >= _MAX_FILES:
            raise SceneError(f"{path}: more than {_MAX_FILES} files; give the folder of the one scene")
        files[file.name.lower()] = (*files.get(file.name.lower(), ()), file)
    return Folder(path, files)


def _files(path: Path) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        raise SceneError(f"{error.filename}: cannot be read: {error.strerror}") from None

    for place, folders, names in os.walk(path, onerror=refused):
        here = Path(place)
        deep = len(here.relative_to(path).parts)
        folders[:] = sorted(name for name in folders if deep < _MAX_DEEP and not _rubbish(name))
        yield from (here / name for name in sorted(names) if not _rubbish(name) and (here / name).is_file())


def _rubbish(name: str) -> bool:
    """What archives and systems leave behind: hidden files, and the twins that macOS makes of all others."""
    return name.startswith(".") or name == "__MACOSX"
