"""What a layer of a vector file holds: for people who ask before they align."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from geo_xmodal.errors import LabelError
from geo_xmodal.raster.grid import crs_name
from geo_xmodal.raster.labels import label_values
from geo_xmodal.raster.vector import open_layer, read_boxes, read_features
from geo_xmodal.types import Window


@dataclass(frozen=True)
class VectorSummary:
    """A layer.

    Attributes:
        path: The file.
        layer: Its layer.
        crs: `EPSG:n` or its name; None without CRS.
        features: How many there are.
        geometries: How many of each type (`Polygon`, `Point`, ...).
        bounds: Left, bottom, right and top in its CRS; None without geometries.
        columns: Attribute columns, each with the values that labels could have and how many features have
            each; None for a column of too many values to be classes.
    """

    path: Path
    layer: str
    crs: str | None
    features: int
    geometries: Mapping[str, int]
    bounds: tuple[float, float, float, float] | None
    columns: Mapping[str, Mapping[str, int] | None]


def describe_vector(path: Path | str, layer: str | None = None) -> VectorSummary:
    """What a layer of a vector file holds; `layer` may be left out where there is one.

    Raises:
        VectorError: It cannot be read, or no such layer.
    """
    path = Path(path)
    opened = open_layer(path, layer)
    crs = opened.space.crs
    boxes = read_boxes(opened, opened.space)
    known = boxes[(boxes < float("inf")).all(axis=1)]
    bounds = None
    geometries: Counter[str] = Counter()
    if len(known):
        left, top = known[:, :2].min(axis=0)
        right, bottom = known[:, 2:].max(axis=0)
        bounds = (float(left), float(top), float(right), float(bottom))
        around = Window(int(top) - 1, int(left) - 1, int(bottom - top) + 3, int(right - left) + 3)
        _, shapes = read_features(opened, None, opened.space, around)
        geometries.update(shape.geom_type for shape in shapes if shape is not None)
    columns: dict[str, Mapping[str, int] | None] = {}
    for column in opened.columns:
        try:
            columns[column] = label_values(path, column, opened.name)
        except LabelError:
            columns[column] = None
    name = None if crs is None else crs_name(crs)
    return VectorSummary(path, opened.name, name, len(boxes), dict(geometries), bounds, columns)
