"""Arrays as pictures that a page can hold: PNG in data URIs."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from geo_xmodal.accuracy.report.charts import nice_step
from geo_xmodal.accuracy.report.values import Picture
from geo_xmodal.errors import LabelError
from geo_xmodal.types import ClassArray, LandClass

_MAX = 1600
"""Longest side of a picture on the page; more makes the file heavy and no screen shows it."""

_THUMBNAIL = 132


def colour(land: LandClass) -> tuple[int, int, int]:
    """Red, green and blue of a class.

    Raises:
        LabelError: if its colour is not `#rrggbb`; anything else must not reach a style sheet.
    """
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", land.color):
        raise LabelError(
            f"class {land.id} has colour {land.color!r}, expected #rrggbb: correct the class list"
        )
    return int(land.color[1:3], 16), int(land.color[3:5], 16), int(land.color[5:7], 16)


def is_light(rgb: tuple[int, int, int]) -> bool:
    """Whether black is easier to read on a colour than white (WCAG 2 relative luminance)."""
    linear = [((v / 255 + 0.055) / 1.055) ** 2.4 if v > 10 else v / 255 / 12.92 for v in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.18


def picture_uri(picture: Picture, classes: Sequence[LandClass]) -> str:
    """A picture as a data URI, reduced to a size for pages; class ids in the colours of `classes`."""
    pixels = picture.pixels
    if pixels.ndim == 3:
        image = Image.fromarray(pixels)
        image.thumbnail((_MAX, _MAX), Image.Resampling.BOX)
        return _uri(image)
    image = Image.fromarray(pixels, "P")
    palette = np.full((256, 3), 128, np.uint8)
    palette[0] = 255
    for land in classes:
        palette[land.id] = colour(land)
    image.putpalette(palette.tobytes())
    image.thumbnail((_MAX, _MAX), Image.Resampling.NEAREST)
    return _uri(image, transparency=0)


def silhouette_uri(ids: ClassArray, class_id: int) -> str:
    """Where one class is, in grey: a map's class without its colour."""
    image = Image.fromarray(np.where(ids == class_id, np.uint8(36), np.uint8(236)))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    return _uri(image)


def scale_bar(picture: Picture) -> tuple[float, str] | None:
    """A round length of about a fifth of the picture: its share of the width in percent, and its name."""
    if not picture.pixel_size:
        return None
    width = picture.pixels.shape[1] * picture.pixel_size
    length = nice_step(width / 8)
    name = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    return round(100 * length / width, 3), name


def _uri(image: Image.Image, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, **options)
    return png_uri(buffer.getvalue())


def png_uri(content: bytes) -> str:
    """A PNG file's content as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def class_counts(ids: npt.NDArray[np.uint8]) -> dict[int, int]:
    """Pixels of every class id in a picture, 0 left out."""
    counts = np.bincount(ids.ravel(), minlength=256).tolist()
    return {class_id: count for class_id, count in enumerate(counts) if class_id and count}
