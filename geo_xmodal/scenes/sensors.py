"""Where the values of a scene's sensors lie: in a file of its folder, or wherever scene.toml says."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from odc.geo.geobox import GeoBox

from geo_xmodal.errors import SceneError
from geo_xmodal.named_options import option
from geo_xmodal.raster import (
    Assumption,
    ReadOptions,
    Source,
    WindowReader,
    aligned_reader,
    grid_over,
    is_address,
    open_raster,
    open_source,
    places_of,
)
from geo_xmodal.scenes.config import CONFIG_NAME, ModalityConfig, scene_file
from geo_xmodal.small_files import real_path


@dataclass(frozen=True)
class Access:
    """What the `files` of a scene.toml, which may come from elsewhere, may lead to.

    Attributes:
        addresses: Whether they may be addresses: reading one causes a request.
        within: Folders, besides the scene's own, that files must lie in, links followed; anywhere if None.
    """

    addresses: bool = False
    within: tuple[Path, ...] | None = None

    def reader(
        self,
        name: str,
        modality: ModalityConfig,
        folder: Path,
        grid: GeoBox | None = None,
        *,
        on_ground: bool = True,
    ) -> WindowReader:
        """The values of a sensor of the scene in `folder`, on `grid` (their own if None).

        Where pixels lie on no ground, nothing is assumed of their place.

        Raises:
            SceneError: A file is gone, or holds something else by now, or is an address that is not allowed.
            RasterError: A file cannot be read.
            AlignmentError: Files cannot be brought onto the grid, or do not go together.
        """
        if modality.file is not None:
            reader = aligned_reader(scene_file(folder, modality.file), grid=grid, **_options(modality))
            before = tuple(_noted(note, modality.file) for note in modality.notes)
            said = {one.text for one in before}
            now = tuple(
                one
                for one in reader.assumptions
                if one.text not in said and (on_ground or one.code != "place")
            )
            return dataclasses.replace(reader, assumptions=(*before, *now))
        return self.source(name, modality, folder, grid).reader

    def source(self, name: str, modality: ModalityConfig, folder: Path, grid: GeoBox | None = None) -> Source:
        """As `reader`, of a sensor that has `files`."""
        places = modality.places(folder)
        for place in places:
            if isinstance(place, Path) and not _is_there(place):
                raise SceneError(
                    f"{_key(folder, name)}: {place} is not there: move it back, or say in files where it is"
                )
            if isinstance(place, str) and not self.addresses:
                raise SceneError(
                    f"{_key(folder, name)}: {place} is an address, and reading it causes a request: allow "
                    f"that with {option('allow_addresses')} (addresses=True in Python)"
                )
        source = open_source(places, grid=grid, remote=True, within=self._roots(folder), **_options(modality))
        if modality.fingerprints is not None:
            for place, before, now in zip(places, modality.fingerprints, source.fingerprints(), strict=True):
                if before != now:
                    raise SceneError(
                        f"{_key(folder, name)}: {place} has changed since the scene was made: align it "
                        "again, or take fingerprints out of scene.toml if the change is meant"
                    )
        return source

    def grid(self, name: str, modality: ModalityConfig, folder: Path) -> GeoBox:
        """The grid of a sensor's own files.

        Raises:
            SceneError, RasterError, AlignmentError: As `reader`.
        """
        if modality.file is None:
            return self.source(name, modality, folder).reader.grid
        path = scene_file(folder, modality.file)
        with open_raster(path) as dataset:
            return grid_over(places_of(dataset, str(path), modality.warp_gcps))

    def _roots(self, folder: Path) -> tuple[Path, ...] | None:
        return None if self.within is None else (folder, *self.within)


def sensor_file(modality: ModalityConfig, folder: Path) -> Path | None:
    """The one file of a sensor, there or not; None where it lies in several, or behind an address."""
    places = modality.places(folder)
    if len(places) > 1 or isinstance(places[0], str):
        return None
    path = places[0]
    return None if modality.file is None and (path.suffix.lower() == ".txt" or path.is_dir()) else path


def is_missing(modality: ModalityConfig, folder: Path) -> bool:
    """Whether a file of a sensor is not there; what lies behind an address is not asked for."""
    if modality.file is not None:
        return not scene_file(folder, modality.file).is_file()
    return any(isinstance(place, Path) and not _is_there(place) for place in modality.places(folder))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder, say, that is not ours to look into
        return False


def written_place(place: Path | str, folder: Path) -> str:
    """A file as the scene.toml of a new `folder` names it.

    What lies beneath or beside the folder by its way from there, so that both may be moved together; any
    other by its full path.
    """
    if is_address(str(place)):
        return str(place)
    lies, home = real_path(Path(place)), real_path(folder)
    return Path(os.path.relpath(lies, home) if lies.is_relative_to(home.parent) else lies).as_posix()


def _options(modality: ModalityConfig) -> ReadOptions:
    return {
        "kind": modality.kind,
        "bands": modality.bands,
        "invalid_bands": modality.invalid_bands,
        "nodata": modality.nodata,
        "resampling": modality.resampling,
        "decibel": modality.scale == "db",
        "sensor": modality.sensor,
        "warp_gcps": modality.warp_gcps,
    }


def _key(folder: Path, name: str) -> str:
    return f"{folder / CONFIG_NAME}: modalities.{name}"


def _noted(note: str, file: str) -> Assumption:
    """A note of scene.toml, which may begin with the file that it is about."""
    source, colon, text = note.partition(": ")
    return Assumption("aligned", text, source) if colon else Assumption("aligned", note, file)
