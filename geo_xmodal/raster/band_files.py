"""A sensor whose bands lie in files of their own, as in a Sentinel-2 SAFE folder."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Unpack

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import RasterError
from geo_xmodal.raster.files import describe_raster
from geo_xmodal.raster.grid import pixel_size
from geo_xmodal.raster.reader import AlignedReader, ReadOptions, aligned_reader
from geo_xmodal.raster.window_reader import (
    Adaptation,
    Assumption,
    Band,
    ReaderDefaults,
    joined_assumptions,
    joined_identity,
)
from geo_xmodal.types import FloatArray, Kind, Window

_GEOTIFF = (".tif", ".tiff")
_JPEG2000 = (".jp2", ".j2k")

MAX_ENTRIES = 200_000
"""Files and folders that are looked through; a scene from elsewhere may name the whole disk."""

_NAMED = 4
"""Files that a message names."""


@dataclass(frozen=True)
class BandFilesReader(ReaderDefaults):
    """One file a band, on one grid: that of the finest of them, unless another is asked for.

    Attributes:
        name: The folder.
        readers: A reader of one band each, in the order of the bands.
        asked_names: What the bands were asked for by.
    """

    name: str
    readers: tuple[AlignedReader, ...]
    asked_names: tuple[str, ...]

    @property
    def bands(self) -> tuple[Band, ...]:
        """Those of the files, called as they were asked for."""
        return tuple(
            dataclasses.replace(reader.bands[0], name=name)
            for reader, name in zip(self.readers, self.asked_names, strict=True)
        )

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Those of all files."""
        return joined_assumptions(self.readers)

    @property
    def files(self) -> tuple[Path, ...]:
        """One a band."""
        return tuple(reader.path for reader in self.readers)

    def identity(self) -> Mapping[str, str]:
        """That of all files in the order of the bands."""
        return joined_identity("band", self.readers)

    def adapted(self, how: Adaptation) -> BandFilesReader:
        """The same files, read otherwise."""
        chosen = range(len(self.readers)) if how.bands is None else how.bands
        each = dataclasses.replace(how, bands=None)
        return dataclasses.replace(
            self,
            readers=tuple(self.readers[band].adapted(each) for band in chosen),
            asked_names=tuple(self.asked_names[band] for band in chosen),
        )

    @property
    def grid(self) -> GeoBox:
        """The grid that all bands are read on."""
        return self.readers[0].grid

    @property
    def kind(self) -> Kind:
        """What the sensor measures."""
        return self.readers[0].kind

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN where there is no data or no grid.

        Raises:
            RasterError: A file is gone, has changed its grid, or cannot be decoded there.
        """
        return np.concatenate([reader.read(window, margin) for reader in self.readers])

    def valid(self, window: Window, margin: int = 0) -> npt.NDArray[np.bool_]:
        """Where (row, col) every band of `window` has data."""
        each = [reader.valid(window, margin) for reader in self.readers]
        return np.asarray(np.all(each, axis=0))

    def on(self, grid: GeoBox, *, measured: bool = False) -> BandFilesReader:
        """The same bands on another grid, each resampled once from its own file, as `choose_resampling` says.

        Raises:
            AlignmentError: A file and the grid do not overlap, or cannot be compared.
        """
        readers = tuple(reader.on(grid, measured=measured) for reader in self.readers)
        return dataclasses.replace(self, readers=readers)


def rasters_in(folder: Path) -> list[Path]:
    """The GeoTIFFs in a folder and its sub-folders, in the order of their names; hidden ones are left out.

    Raises:
        RasterError: There are none, or the folder cannot be read.
    """
    files = _files(folder)
    found = [path for path in files if path.suffix.lower() in _GEOTIFF]
    if not found:
        jpeg = [path for path in files if path.suffix.lower() in _JPEG2000]
        if jpeg:
            raise RasterError(f"{folder}: holds JPEG 2000 files ({_listed(jpeg)}): {_convert(jpeg[0])}")
        raise RasterError(f"{folder}: a folder without a GeoTIFF (.tif or .tiff)")
    return found


def names_bands(files: Sequence[Path], names: Sequence[str]) -> bool:
    """Whether files are called after bands: some of them after each of `names`."""
    return all(any(_is_of(path, name) for path in files) for name in names)


def band_files_reader(
    folder: Path, names: Sequence[str], **how: Unpack[ReadOptions]
) -> tuple[BandFilesReader, list[str]]:
    """A reader of one file a band, found by the names of bands in the names of files.

    Where a band lies at several resolutions, the finest is taken.

    Args:
        folder: Files, in sub-folders or not.
        names: Parts of file names between `_`, `-` and `.`: `B02` finds `T32TQM_20210101_B02_10m.tif`.
        how: The files are read.

    Returns:
        The reader, and lines on choices that were made.

    Raises:
        RasterError: A band has no file, or several of the same resolution, or its file several bands.
        AlignmentError: The files do not lie over each other.
    """
    every = rasters_in(folder)
    notes: list[str] = []
    chosen = [_file_of(folder, name, every, notes) for name in names]
    own = [aligned_reader(path, **how) for path in chosen]
    return stacked_bands(str(folder), own, names), notes


def stacked_bands(name: str, own: Sequence[AlignedReader], names: Sequence[str]) -> BandFilesReader:
    """Files of one band each as one sensor on the grid of the finest.

    Args:
        name: What messages call it.
        own: A reader of each, on its own grid.
        names: Of the bands.

    Raises:
        RasterError: A file has several bands.
        AlignmentError: The files do not lie over each other.
    """
    for reader in own:
        if len(reader.bands) != 1:
            raise RasterError(f"{reader.name}: has {len(reader.bands)} bands, expected a file of one band")
    finest = min(own, key=lambda reader: _size(reader.grid))
    readers = tuple(reader if reader is finest else reader.on(finest.grid) for reader in own)
    return BandFilesReader(name, readers, tuple(names))


def _file_of(folder: Path, name: str, files: Sequence[Path], notes: list[str]) -> Path:
    found = [path for path in files if _is_of(path, name)]
    if not found:
        jpeg = [path for path in _files(folder) if path.suffix.lower() in _JPEG2000 and _is_of(path, name)]
        if jpeg:
            raise RasterError(f"{folder}: band {name} is JPEG 2000 ({_listed(jpeg)}): {_convert(jpeg[0])}")
        raise RasterError(f"{folder}: no file is called after band {name}; files: {_listed(files)}")
    if len(found) == 1:
        return found[0]
    sizes = {path: _size(describe_raster(path).grid) for path in found}
    finest = [path for path in found if sizes[path] <= min(sizes.values()) * 1.01]
    if len(finest) > 1:
        raise RasterError(
            f"{folder}: {len(finest)} files are called after band {name} ({_listed(finest)}), expected one: "
            "give a folder with one scene, or the full part of the name"
        )
    notes.append(f"band {name} lies at several pixel sizes: taken {finest[0].name}, the finest")
    return finest[0]


def _files(folder: Path) -> list[Path]:
    try:
        every = list(islice(folder.rglob("*"), MAX_ENTRIES + 1))
        if len(every) > MAX_ENTRIES:
            raise RasterError(
                f"{folder}: holds more than {MAX_ENTRIES} files, expected the tiles or bands of one sensor: "
                "name a folder of these alone, or a list of them"
            )
        every = [path for path in every if path.is_file()]
    except OSError as error:
        raise RasterError(f"{folder}: cannot be read: {error.strerror}") from None
    inside = [
        path for path in every if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return sorted(inside, key=lambda path: path.relative_to(folder).as_posix())


def _is_of(path: Path, name: str) -> bool:
    """Whether the words of `name` stand in the file's name one after another."""
    wanted, words = _words(name), _words(path.stem)
    return bool(wanted) and any(
        words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1)
    )


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^0-9a-z]+", text.lower()) if word]


def _size(grid: GeoBox) -> float:
    """Area of a pixel."""
    rows, cols, _ = pixel_size(grid)
    return rows * cols


def _listed(files: Sequence[Path]) -> str:
    more = ", ..." if len(files) > _NAMED else ""
    return ", ".join(path.name for path in files[:_NAMED]) + more


def _convert(path: Path) -> str:
    return f"convert each with: gdal_translate -of GTiff {path.name} {path.stem}.tif"
