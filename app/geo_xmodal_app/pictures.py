"""Small pictures of what was found: the reference in grey, what covers it in outline, labels in colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from PIL import Image, ImageDraw

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.types import ClassArray, LandClass, Window
from geo_xmodal_app.inspection import SIDE, LabelFinding, RasterFinding

OUTLINES = (("#e8590c", "orange"), ("#1c7ed6", "blue"), ("#9c36b5", "violet"), ("#2b8a3e", "green"))
"""Of the sensors beside the reference, in their order: colour, and Streamlit's word for it."""

_BLANK = 232
_UNKNOWN = "#000000"


def overlap_picture(
    reference: RasterFinding,
    others: Sequence[RasterFinding],
    labels: Sequence[LabelFinding],
    legend: Sequence[tuple[str, str, str]],
) -> tuple[Image.Image, dict[str, bool]]:
    """What lies where on the reference grid, and which labels have a pixel in it.

    Args:
        reference: Whose grid it is.
        others: Outlined, in `OUTLINES`.
        labels: Drawn in the colours of their classes.
        legend: Value in the labels, name and colour of each class.

    Returns:
        The picture, and for each file of labels whether it has a pixel there.
    """
    grid = reference.info.grid
    height, width = grid.shape
    scale = SIDE / max(height, width)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    picture = Image.fromarray(_grey(reference.small, shape)).convert("RGB")
    meets: dict[str, bool] = {}
    colors = {value: color for value, _, color in legend}
    coarse = grid.zoom_to(shape)
    for found in labels:
        try:
            ids = _label_ids(found, coarse, shape)
        except GeoXmodalError:
            meets[found.name] = False
            continue
        meets[found.name] = bool(ids.any())
        palette = np.array([(0, 0, 0), *(_rgb(colors.get(value)) for value in found.counts)], np.uint8)
        tint = Image.fromarray(palette[ids])
        picture.paste(tint, mask=Image.fromarray(np.where(ids > 0, 255, 0).astype(np.uint8)))
    draw = ImageDraw.Draw(picture)
    for other, (color, _) in zip(others, OUTLINES, strict=False):
        try:
            share, window = gx.overlap(other.info.grid, grid)
        except GeoXmodalError:
            continue
        if share:
            draw.rectangle(
                (
                    window.col * shape[1] / width,
                    window.row * shape[0] / height,
                    (window.col + window.width) * shape[1] / width - 1,
                    (window.row + window.height) * shape[0] / height - 1,
                ),
                outline=color,
                width=3,
            )
    return picture, meets


def _label_ids(found: LabelFinding, coarse: GeoBox, shape: tuple[int, int]) -> ClassArray:
    """Number (from 1) of each label's value, in the order of its counts, on a coarse grid."""
    numbers = {value: number for number, value in enumerate(found.counts, 1)}
    source = gx.LabelsConfig(
        file="labels",
        layer=found.layer,
        column=found.column,
        classes=numbers,
        crs=found.hints.crs,
        coordinates=found.hints.coordinates,
    )
    classes = [LandClass(number, f"value {number}", _UNKNOWN) for number in numbers.values()]
    return gx.read_labels(source, found.path, coarse, classes, Window(0, 0, *shape))


def _rgb(color: str | None) -> tuple[int, int, int]:
    return LandClass(1, "", color or _UNKNOWN).rgb


def _grey(small: npt.NDArray[np.float32] | None, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if small is None or not np.isfinite(small).any():
        return np.full(shape, _BLANK, np.uint8)
    low, high = np.nanpercentile(small, (2, 98))
    unit = np.clip((small - low) / max(float(high - low), 1e-12), 0, 1)
    grey = np.where(np.isfinite(unit), 60 + 175 * np.nan_to_num(unit), 255).astype(np.uint8)
    return np.asarray(Image.fromarray(grey).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
