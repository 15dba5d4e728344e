"""What files turn out to be, before anything runs on them: grid, bands, holes, classes, overlap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import Interleaving, Resampling
from rasterio.warp import reproject
from rasterio.windows import Window

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.types import Kind

SIDE = 420
"""Rows and columns of a small picture at most."""

_WHOLE_BYTES = 1 << 28
"""Decoded bytes up to which a file without overviews is read whole for a small picture."""

_SAMPLED_BLOCKS = 8
"""Blocks down and across that stand for a file too large to read."""

_MANY_HOLES = 0.3
_DECIBEL_SHARE = gx.KINDS["sar"].plausible.share


@dataclass(frozen=True)
class RasterFinding:
    """What a sensor's file is.

    Attributes:
        name: As the user knows the file.
        info: Its header.
        kind: What it measures, as its name and bands tell; None where they do not.
        holes: Share of pixels of band 1 without data, estimated.
        small: (row, col) float32 of band 1 in little, NaN where there is no data; None for a large file
            without overviews.
        warnings: One line each.
    """

    name: str
    path: Path
    info: gx.RasterInfo
    kind: Kind | None
    holes: float
    small: npt.NDArray[np.float32] | None
    negative: float
    warnings: tuple[str, ...]

    @property
    def pixel(self) -> str:
        """Pixel size in words."""
        row, col, unit = gx.pixel_size(self.info.grid)
        words = "m" if unit == "m" else "units"
        return f"{col:.4g} {words}" if math.isclose(row, col) else f"{col:.4g} x {row:.4g} {words}"


@dataclass(frozen=True)
class LabelFinding:
    """What a file of labels holds.

    Attributes:
        layers: Of a vector; empty for a raster.
        layer: The one that is read, of several.
        columns: Its attributes.
        column: The one that is read.
        counts: Value to pixels (raster) or features (vector).
        what: "pixels" or "features".
        hints: What the file does not say itself.
    """

    name: str
    path: Path
    layers: tuple[str, ...]
    layer: str | None
    columns: tuple[str, ...]
    column: str | None
    counts: Mapping[str, int]
    what: str
    hints: gx.VectorHints = field(default_factory=gx.VectorHints)
    warnings: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[Path | str, ...]:
        """File, layer where it has several, and column."""
        return self.path, self.layer or "", self.column or ""


def inspect_raster(path: Path, name: str) -> RasterFinding:
    """What the raster at `path` is; reads little of it, however large it is, and once only.

    Raises:
        RasterError: It is not a GeoTIFF that may be read.
    """
    return _inspect_raster(path, name, _changed(path))


@lru_cache(maxsize=64)
def _inspect_raster(path: Path, name: str, _when: int) -> RasterFinding:
    info = gx.describe_raster(path)
    with gx.open_raster(path) as dataset:
        small = _in_little(dataset)
        values = _sampled(dataset) if small is None else small
    finite = np.isfinite(values)
    holes = 1.0 - float(finite.mean())
    negative = float((values[finite] < 0).mean()) if finite.any() else 0.0
    kind = info.likely_kind(Path(name).stem)
    return RasterFinding(
        name, path, info, kind, holes, small, negative, tuple(_doubts(info, holes, negative))
    )


def assumed_of(path: Path, name: str, kind: Kind, decibel: bool) -> tuple[str, ...]:
    """What is taken for granted about a file if it holds values of `kind`, a line each.

    Args:
        path: The file.
        name: As the user knows it.
        kind: What it measures.
        decibel: Radar files hold decibels.

    Raises:
        RasterError: It holds no such values.
    """
    return _assumed_of(path, name, kind, decibel and gx.KINDS[kind].power, _changed(path))


@lru_cache(maxsize=64)
def _assumed_of(path: Path, name: str, kind: Kind, decibel: bool, _when: int) -> tuple[str, ...]:
    reader = gx.aligned_reader(path, kind=kind, decibel=decibel)
    return tuple(f"{name}: {one.text}" for one in reader.assumptions)


def assumed_of_scene(scene: gx.Scene, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """What is taken for granted about the files of a scene's sensors, a line each.

    Args:
        scene: Files that are missing say nothing.
        names: Of sensors; None for all.

    Raises:
        RasterError: A file cannot be read.
    """
    present = [name for name in names or scene.config.modalities if name not in scene.missing_modalities]
    return tuple(str(one) for name in present for one in scene.reader(name).assumptions)


def looks_decibel(finding: RasterFinding) -> bool:
    """Whether nearly all values are negative, as decibels are and power is not."""
    return finding.negative > _DECIBEL_SHARE


def _doubts(info: gx.RasterInfo, holes: float, negative: float) -> list[str]:
    lines = []
    if info.crs is None:
        lines.append("has no CRS: only files with exactly the same pixels can be laid over it")
    if holes == 1:
        lines.append("holds no data where it was looked at")
    elif holes > _MANY_HOLES:
        lines.append(f"{holes:.0%} of its pixels hold no data")
    if negative > _DECIBEL_SHARE:
        lines.append("nearly all values are negative: if this is SAR, it holds decibels")
    affine = info.grid.affine
    if affine.is_identity:
        lines.append("says nothing of where its pixels lie (no geotransform)")
    elif affine.b or affine.d:
        lines.append("its grid is rotated")
    return lines


def inspect_labels(
    path: Path,
    name: str,
    column: str | None = None,
    layer: str | None = None,
    hints: gx.VectorHints | None = None,
) -> LabelFinding:
    """What labels a raster or vector holds.

    Args:
        path: The file.
        name: As the user knows it.
        layer: Of a vector that has several; None takes the first.
        column: Of a vector; None takes the likeliest.
        hints: What a vector does not say itself.

    Raises:
        RasterError, VectorError, LabelError: It cannot be read, or holds no class labels.
    """
    return _inspect_labels(path, name, column, layer, hints or gx.VectorHints(), _changed(path))


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0  # whoever opens it says what is wrong


@lru_cache(maxsize=64)
def _inspect_labels(
    path: Path, name: str, column: str | None, layer: str | None, hints: gx.VectorHints, _when: int
) -> LabelFinding:
    if not is_vector(name):
        return LabelFinding(name, path, (), None, (), None, gx.label_values(path), "pixels")
    layers = gx.layer_names(path)
    if len(layers) < 2:
        layer = None
    elif layer not in layers:
        layer = layers[0]
    columns = gx.open_layer(path, layer, hints).columns
    column = column if column in columns else _likeliest(columns)
    counts = gx.label_values(path, column, layer, hints=hints)
    return LabelFinding(name, path, layers, layer, columns, column, counts, "features", hints)


def is_vector(name: str) -> bool:
    """Whether a file of that name is a vector."""
    return name.lower().endswith(gx.VECTOR_SUFFIXES)


def _likeliest(columns: Sequence[str]) -> str | None:
    for word in (
        "class_name",
        "class",
        "label",
        "landcover",
        "land_cover",
        "lc",
        "code",
        "folder",
        "name",
        "id",
    ):
        for column in columns:
            if column.lower() == word:
                return column
    return columns[0] if columns else None


def shared(reference: RasterFinding, other: RasterFinding) -> tuple[float, str | None]:
    """Share of the reference's data that `other` has data over, and what is wrong if they do not meet.

    Pixels with data are counted (band 1, in little), not the areas of the grids: scenes from orbit lie
    askew in their files, and half of such a file is empty.
    """
    try:
        share, _ = gx.overlap(other.info.grid, reference.info.grid)
    except GeoXmodalError:
        return 0.0, (
            f"{other.name} and {reference.name}: one has a CRS and the other has none, "
            "so nobody knows whether they meet; give both a CRS"
        )
    if share == 0:
        return 0.0, f"{other.name} does not overlap {reference.name}"
    counted = _shared_data(reference, other)
    if counted == 0 and other.small is not None:
        return 0.0, f"{other.name} holds no data inside {reference.name}"
    return (share * (1 - other.holes) if counted is None else counted), None


def _shared_data(reference: RasterFinding, other: RasterFinding) -> float | None:
    """Share of the reference's pixels with data over which `other` has some; None for files too large."""
    if reference.small is None or other.small is None:
        return None
    grid = reference.info.grid.zoom_to(reference.small.shape)
    theirs = other.info.grid.zoom_to(other.small.shape)
    found = np.zeros(reference.small.shape, np.uint8)
    local = "EPSG:3857"  # of two grids without CRS, which are compared as they are
    reproject(
        np.isfinite(other.small).astype(np.uint8),
        found,
        src_transform=theirs.affine,
        src_crs=other.info.crs or local,
        dst_transform=grid.affine,
        dst_crs=reference.info.crs or local,
        resampling=Resampling.nearest,
    )
    data = np.isfinite(reference.small)
    return float(found[data].mean()) if data.any() else 0.0


def _in_little(dataset: rasterio.DatasetReader) -> npt.NDArray[np.float32] | None:
    height, width = dataset.shape
    together = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    decoded = height * width * together * np.dtype(dataset.dtypes[0]).itemsize
    for step in (1, *dataset.overviews(1)):
        if decoded / step**2 <= _WHOLE_BYTES:
            break
    else:
        return None
    scale = max(1.0, max(height, width) / SIDE)
    shape = (max(1, round(height / scale)), max(1, round(width / scale)))
    return _finite(dataset.read(1, out_shape=shape, masked=True))


def _sampled(dataset: rasterio.DatasetReader) -> npt.NDArray[np.float32]:
    """Values of some blocks of band 1, spread over the file."""
    rows, cols = dataset.block_shapes[0]
    down, across = math.ceil(dataset.height / rows), math.ceil(dataset.width / cols)
    parts = []
    for row in np.unique(np.linspace(0, down - 1, _SAMPLED_BLOCKS).astype(int)):
        for col in np.unique(np.linspace(0, across - 1, _SAMPLED_BLOCKS).astype(int)):
            window = Window(col * cols, row * rows, cols, rows).intersection(
                Window(0, 0, dataset.width, dataset.height)
            )
            parts.append(_finite(dataset.read(1, window=window, masked=True)).ravel()[:: max(1, rows // 64)])
    return np.concatenate(parts)


def _finite(values: Any) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        plain = values.astype(np.float32).filled(np.nan)
    plain[~np.isfinite(plain)] = np.nan
    return np.asarray(plain, np.float32)
