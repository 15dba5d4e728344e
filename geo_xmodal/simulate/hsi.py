"""The HSI that sensors are simulated from: a file or the one of a scene, and which of its bands are good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import RasterError, SceneError
from geo_xmodal.named_options import option
from geo_xmodal.raster import Adaptation, AlignedReader, aligned_reader, describe_raster, open_raster
from geo_xmodal.scenes import CONFIG_NAME, ModalityConfig, Scene, open_scene
from geo_xmodal.simulate.noise import Floats
from geo_xmodal.types import Window

BLOCK = 64
"""Rows of a strip, unless something else is asked for."""

MAX_STRIP = 2**21
"""HSI values held at once (16 MB as float64, of which there are a few)."""


@dataclass(frozen=True, eq=False)
class HsiSource:
    """The HSI to start from, and the scene that it is of (None for a file alone).

    Attributes:
        reader: Its good bands, on its own grid.
        wavelengths: Nanometres, of the good bands and the useless ones.
        good: Which of those are the reader's.
        useless: 1-based bands of the file that hold nothing, or are marked as bad (`bbl` = 0).
    """

    reader: AlignedReader
    wavelengths: Floats
    good: npt.NDArray[np.bool_]
    useless: tuple[int, ...]
    modality: ModalityConfig
    scene: Scene | None = None

    @property
    def grid(self) -> GeoBox:
        """The file's own."""
        return self.reader.grid


def open_hsi(source: Path | str) -> HsiSource:
    """The HSI at `source`: a GeoTIFF, or a scene (folder or name) with one modality of kind hsi.

    Raises:
        RasterError: It cannot be read, does not say its wavelengths, or has fewer than two good bands.
        SceneError: The scene cannot be opened, or has no HSI, or several.
    """
    path = Path(source)
    if path.name != CONFIG_NAME and (path.is_file() or path.suffix.lower() in (".tif", ".tiff")):
        return _opened(path, ModalityConfig(file="hsi.tif", kind="hsi", sensor=path.name), None)
    scene = open_scene(source)
    names = [name for name, modality in scene.config.modalities.items() if modality.kind == "hsi"]
    if len(names) != 1:
        raise SceneError(
            f"{scene.folder}: has {len(names)} modalities of kind hsi, expected one to simulate from; "
            "give the file of one in place of the scene"
        )
    file = scene.path(names[0])
    if file is None:
        raise SceneError(
            f"{scene.folder}: its HSI is {scene.modality(names[0]).named}, expected one GeoTIFF to simulate "
            f"from; align it with {option('copy')}"
        )
    return _opened(file, scene.modality(names[0]), scene)


def _opened(path: Path, modality: ModalityConfig, scene: Scene | None) -> HsiSource:
    wavelengths = describe_raster(path).wavelengths
    if wavelengths is None:
        raise RasterError(
            f"{path}: does not say the wavelength of every band, expected band tags wavelength and "
            "wavelength_units (Nanometers or Micrometers); set them, for example with rasterio's update_tags"
        )
    every = aligned_reader(
        path,
        kind="hsi",
        bands=modality.bands,
        invalid_bands=modality.invalid_bands,
        nodata=modality.nodata,
    )
    with open_raster(path) as dataset:
        marked = {band for band in every.indexes if dataset.tags(band).get("bbl", "").strip() == "0"}
    rest = [band for band in every.indexes if band not in marked]
    useless = marked | set(_empty_bands(every, rest))
    good = [band for band in every.indexes if band not in useless]
    if len(good) < 2:
        raise RasterError(f"{path}: {len(good)} of {len(every.bands)} bands hold data, expected an HSI")
    return HsiSource(
        with_bands(every, good),
        np.array([wavelengths[band - 1] for band in every.indexes]),
        np.isin(every.indexes, good),
        tuple(sorted(useless)),
        modality,
        scene,
    )


def with_bands(reader: AlignedReader, bands: Sequence[int]) -> AlignedReader:
    """The same reader of some of its (1-based) bands."""
    return reader.adapted(Adaptation(bands=tuple(reader.indexes.index(band) for band in bands)))


def _empty_bands(reader: AlignedReader, bands: list[int]) -> list[int]:
    """Those of `bands` without any data; most images tell after one strip."""
    for window in strips(reader.grid.shape.yx, len(bands) * BLOCK):
        if not bands:
            break
        known = np.asarray(np.isfinite(with_bands(reader, bands).read(window)).any(axis=(1, 2)))
        bands = [band for band, seen in zip(bands, known, strict=True) if not seen]
    return bands


def strips(shape: tuple[int, int], column_values: int, rows: int = BLOCK) -> list[Window]:
    """Windows of `rows` rows, as wide as holds `MAX_STRIP` with `column_values` in a column of one."""
    height, width = shape
    cols = max(rows, MAX_STRIP // max(column_values, 1) // rows * rows)
    return [
        Window(row, col, min(rows, height - row), min(cols, width - col))
        for row in range(0, height, rows)
        for col in range(0, width, cols)
    ]
