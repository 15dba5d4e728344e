"""A map as people look at it: colours in a small array, or a picture with legend, scale bar and north."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from geo_xmodal.mapping.attribute_table import MapCounts
from geo_xmodal.mapping.geotiff import open_band, read_legend
from geo_xmodal.outputs import held, new_file
from geo_xmodal.raster import file_window, grid_of, open_raster, pixel_areas, pixel_size
from geo_xmodal.types import ClassArray, LandClass, windows_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WINDOW = 2048
_BACKGROUND = (255, 255, 255)
_INK = "#222222"
_LONGEST_LINE, _MAX_ROWS = 40, 40
"""Of the legend: characters of a name, and classes below one another."""


def quicklook(
    source: Path | ClassArray, legend: Sequence[LandClass] | None = None, max_side: int = 1600
) -> npt.NDArray[np.uint8]:
    """A class map in its colours, (row, col, 3), white where there is no data.

    A map larger than `max_side` pixels is made smaller by the most frequent class of the pixels that become
    one; a file's overviews are used, so that its size does not matter.

    Args:
        source: A map file, or class ids (row, col).
        legend: Colours; None takes those of the file.
        max_side: Rows and columns at most.

    Raises:
        RasterError: If the file cannot be read, or carries no legend and none is given.
    """
    if isinstance(source, Path):
        with open_raster(source) as dataset:
            legend = legend or read_legend(dataset)
            step = _step(dataset.shape, max_side)
            shape = (math.ceil(dataset.height / step), math.ceil(dataset.width / step))
            ids = dataset.read(1, out_shape=shape, resampling=Resampling.mode)
    elif legend is None:
        raise ValueError("class ids in an array carry no legend: give one")
    else:
        ids = _by_mode(source, _step(source.shape, max_side), legend)
    colors = np.full((256, 3), _BACKGROUND, np.uint8)
    for entry in legend:
        colors[entry.id] = entry.rgb
    picture: npt.NDArray[np.uint8] = colors[ids]
    return picture


def save_picture(map_path: Path | str, out: Path | str, title: str = "", max_side: int = 1600) -> None:
    """Write a map as a PNG with its legend, the share of the area of each class, scale bar and north arrow.

    Scale bar and north arrow need a CRS.

    Raises:
        RasterError: If the map cannot be read, or carries no legend.
        OutputError: If the picture cannot be written.
    """
    map_path, out = Path(map_path), Path(out)
    with open_band(map_path) as dataset:
        counts = _counts(dataset)
    with held(out), new_file(out) as beside:
        draw_picture(map_path, beside, counts, title, max_side)


def draw_picture(map_path: Path, out: Path, counts: MapCounts, title: str = "", max_side: int = 1600) -> None:
    """What `save_picture` writes, straight into `out`, from what is known to be in the map.

    Raises:
        RasterError: If the map cannot be read, or carries no legend.
        OSError: If the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    with open_raster(map_path) as dataset:
        legend, grid = read_legend(dataset), grid_of(dataset)
    picture = quicklook(map_path, legend, max_side)
    rows, cols = picture.shape[:2]
    width = 8.0
    figure = Figure(figsize=(width + 3, max(3.0, min(16.0, width * rows / cols)) + 0.8))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(picture, extent=(0, grid.shape[1], grid.shape[0], 0), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    if title:
        axes.set_title(title, loc="left")
    _draw_legend(axes, legend, counts)
    if grid.crs is not None:
        _draw_scale_bar(axes, grid)
        _draw_north(axes, grid)
    # matplotlib's own tag holds its version: it would change the bytes of an unchanged picture
    figure.savefig(out, format="png", dpi=150, bbox_inches="tight", metadata={"Software": None})


def _step(shape: tuple[int, ...], max_side: int) -> int:
    return max(1, math.ceil(max(shape) / max_side))


def _by_mode(ids: ClassArray, step: int, legend: Sequence[LandClass]) -> ClassArray:
    """Class ids made smaller by `step`; no data only where there is nothing else."""
    if step == 1:
        return ids
    rows, cols = (math.ceil(side / step) for side in ids.shape)
    padded = np.zeros((rows * step, cols * step), np.uint8)
    padded[: ids.shape[0], : ids.shape[1]] = ids
    blocks = padded.reshape(rows, step, cols, step)
    best, count = np.zeros((rows, cols), np.uint8), np.zeros((rows, cols), np.int64)
    for entry in legend:
        votes = (blocks == entry.id).sum(axis=(1, 3))
        best = np.where(votes > count, np.uint8(entry.id), best)
        count = np.maximum(votes, count)
    return best


def _counts(dataset: rasterio.DatasetReader) -> MapCounts:
    areas = pixel_areas(grid_of(dataset))
    pixels, parts = np.zeros((2, 256), np.int64)
    for window in windows_over(dataset.height, dataset.width, _WINDOW):
        ids = dataset.read(1, window=file_window(window))
        for total, found in zip((pixels, parts), areas.count(ids, window), strict=True):
            total += found
    return MapCounts(pixels, hectares=areas.hectares(parts))


def _draw_legend(axes: Axes, legend: Sequence[LandClass], counts: MapCounts) -> None:
    from matplotlib.patches import Patch

    shares = counts.shares
    labels = [f"{textwrap.fill(entry.name, _LONGEST_LINE)}  {shares[entry.id]:.1%}" for entry in legend]
    patches = [
        Patch(facecolor=entry.color, edgecolor=_INK, linewidth=0.4, label=label)
        for entry, label in zip(legend, labels, strict=True)
    ]
    axes.legend(
        handles=patches,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        ncols=math.ceil(len(patches) / _MAX_ROWS),
        frameon=False,
        title=f"share of the {counts.shares_of}",
    )


def _draw_scale_bar(axes: Axes, grid: GeoBox) -> None:
    """A bar of a round length, below the map."""
    _, column, _ = pixel_size(grid)
    length = max(step for step in _round_lengths() if step <= max(grid.shape[1] * column / 4, 1e-3))
    end = length / column / grid.shape[1]
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.plot([0, end], [-0.02, -0.02], transform=axes.transAxes, color=_INK, linewidth=3, clip_on=False)
    axes.text(end + 0.01, -0.02, label, transform=axes.transAxes, va="center", color=_INK)


def _round_lengths() -> Iterator[float]:
    return (digit * 10.0**power for power in range(-3, 8) for digit in (1, 2, 5))


def _draw_north(axes: Axes, grid: GeoBox) -> None:
    """An arrow along the grid's own north (that of its CRS, not the true one)."""
    inverse = ~grid.affine
    x, y = inverse.b, -inverse.e  # one step north, in columns to the right and rows up
    length = math.hypot(x, y)
    dx, dy = 0.035 * x / length, 0.035 * y / length
    axes.annotate(
        "N",
        xy=(1.06 + dx, 0.06 + dy),
        xytext=(1.06 - dx, 0.06 - dy),
        xycoords="axes fraction",
        ha="center",
        va="center",
        color=_INK,
        arrowprops={"arrowstyle": "-|>", "color": _INK},
        annotation_clip=False,
    )
