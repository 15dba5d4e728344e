"""What a STAC Item says of a map: projection, raster, classification and label extensions."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pystac
import shapely
from odc.geo.geobox import GeoBox
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.label import (
    LabelClasses,
    LabelCount,
    LabelExtension,
    LabelMethod,
    LabelOverview,
    LabelTask,
    LabelType,
)
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import DataType, RasterBand, RasterExtension, Sampling, Statistics

from geo_xmodal.mapping.attribute_table import NO_CLASS
from geo_xmodal.mapping.layers import LayerName
from geo_xmodal.mapping.map_legends import legend_of_map, open_class_map
from geo_xmodal.mapping.outputs import SHARES_TAG, layer_file
from geo_xmodal.mapping.shares import read_recorded
from geo_xmodal.raster import file_window, grid_of, open_raster, pixel_size, read_window, world_outline
from geo_xmodal.types import IntArray, LandClass, windows_over

_READ = 2048

_SIDE_POINTS = 8
"""Corners of a footprint along each side: straight sides of a grid are curved elsewhere."""

_PERCENTS: Mapping[LayerName, str] = {
    "probability": "Probability of the class",
    "entropy": "Entropy of the class probabilities",
    "class_probabilities": "Probability of every class, one band each",
}


def describe_map(item: pystac.Item, map_file: Path, folder: Path, classes: Path | None = None) -> list[str]:
    """Fill an item with a map.

    Args:
        item: Has an id and a date.
        map_file: A map of this package, or of another program.
        folder: Where the item will lie; addresses are relative to it.
        classes: TOML file with `[[classes]]` that names the values of a map.

    Returns:
        Lines that the user should see.

    Raises:
        RasterError: The map cannot be read, or its values are not those of `classes`.
    """
    with open_class_map(map_file) as opened:
        found, dataset = legend_of_map(opened, classes), opened.dataset
        legend = found.classes
        tags = dataset.tags()
        grid = grid_of(dataset)
        histogram = np.zeros(256, np.int64)
        for window in windows_over(dataset.height, dataset.width, _READ):
            values = read_window(dataset, [1], file_window(window))
            histogram += np.bincount(values.astype(np.uint8).ravel(), minlength=256)
    item.properties["description"] = _description(tags)
    warnings = [*found.notes, *_place(item, grid)]
    asset = _asset(item, "map", map_file, folder, "Land-cover classes", pystac.MediaType.COG, ["data"])
    RasterExtension.ext(asset, add_if_missing=True).apply([_class_band(grid, histogram)])
    ClassificationExtension.ext(asset, add_if_missing=True).apply(_classes(legend, histogram))
    _label(item, legend, histogram, tags)
    for name, title in _PERCENTS.items():
        percent = layer_file(map_file, name)
        if percent.is_file():
            with open_raster(percent) as dataset:
                nodata, count = dataset.nodata, dataset.count
            asset = _asset(item, name, percent, folder, title, pystac.MediaType.COG, ["data"])
            band = {"nodata": nodata, "data_type": DataType.UINT8, "unit": "%", "sampling": Sampling.AREA}
            RasterExtension.ext(asset).apply([RasterBand.create(**band) for _ in range(count)])
    style = map_file.with_suffix(".qml")
    if style.is_file():
        _asset(item, "style", style, folder, "QGIS style", "application/xml", ["metadata"])
    return warnings


def relative_address(file: Path, folder: Path) -> str:
    """`file` as seen from `folder`, or its full address where no way leads there (another drive)."""
    try:
        return Path(os.path.relpath(file.absolute(), folder)).as_posix()
    except ValueError:
        return file.absolute().as_uri()


def machine_name(name: str) -> str:
    """A class name as the classification extension takes it: letters, digits, `-` and `_`."""
    return re.sub(r"[^0-9A-Za-z_-]+", "-", name).strip("-").lower() or "class"


def _asset(
    item: pystac.Item, key: str, file: Path, folder: Path, title: str, media_type: str, roles: list[str]
) -> pystac.Asset:
    asset = pystac.Asset(relative_address(file, folder), title=title, media_type=media_type, roles=roles)
    item.add_asset(key, asset)
    return asset


def _description(tags: Mapping[str, str]) -> str:
    method, scene = tags.get("METHOD", "unknown"), tags.get("TRAINED_ON", "unknown")
    made_up = {"yes": " (simulated)", "no": ""}.get(tags.get("SIMULATED", ""), "")
    target = tags.get("TARGET", "unknown")
    recorded = read_recorded(tags.get(SHARES_TAG, ""))
    shares = "" if recorded is None else f"; class shares: {recorded[0]}"
    return f"Land cover mapped from {target} by method {method}, trained on scene {scene}{made_up}{shares}"


def _place(item: pystac.Item, grid: GeoBox) -> list[str]:
    projection = ProjectionExtension.ext(item, add_if_missing=True)
    projection.apply(shape=list(grid.shape), transform=[float(value) for value in tuple(grid.affine)[:6]])
    if grid.crs is None:
        projection.code = None  # the extension's way to say that there is no CRS
        return ["the map has no CRS: the item has no geometry, catalogues cannot find it by place"]
    epsg = grid.crs.proj.to_epsg()
    projection.code = None if epsg is None else f"EPSG:{epsg}"
    if epsg is None:
        projection.wkt2 = grid.crs.proj.to_wkt()
    projection.bbox = [float(value) for value in grid.boundingbox.bbox]
    outline = world_outline(grid, _SIDE_POINTS)
    if outline.geometry is None or outline.bbox is None:
        return [f"{outline.missing}: the item has no geometry, catalogues cannot find it by place"]
    # lists: a schema takes no tuples
    item.geometry = json.loads(json.dumps(shapely.geometry.mapping(outline.geometry)))
    item.bbox = list(outline.bbox)
    return [f"{outline.missing}: the item's geometry follows those that do"] if outline.missing else []


def _class_band(grid: GeoBox, histogram: IntArray) -> RasterBand:
    *sizes, unit = pixel_size(grid)
    present = np.flatnonzero(histogram[1:]) + 1
    share = 100 * (1 - histogram[NO_CLASS] / max(histogram.sum(), 1))
    statistics = Statistics.create(
        minimum=float(present.min()) if present.size else None,
        maximum=float(present.max()) if present.size else None,
        valid_percent=float(share),
    )
    return RasterBand.create(
        nodata=NO_CLASS,
        sampling=Sampling.AREA,
        data_type=DataType.UINT8,
        spatial_resolution=sum(sizes) / 2 if unit == "m" else None,
        statistics=statistics,
    )


def _classes(legend: Sequence[LandClass], histogram: IntArray) -> list[Classification]:
    none = Classification.create(NO_CLASS, "no data", name="no-data", nodata=True)
    return [none, *(classification(entry, int(histogram[entry.id])) for entry in legend)]


def classification(entry: LandClass, count: int | None = None) -> Classification:
    """A class as the classification extension has it."""
    return Classification.create(
        value=entry.id,
        description=entry.name or f"class {entry.id}",
        name=machine_name(entry.name),
        color_hint=entry.color[1:].upper(),
        count=count,
    )


def _label(
    item: pystac.Item, legend: Sequence[LandClass], histogram: IntArray, tags: Mapping[str, str]
) -> None:
    names = [entry.name for entry in legend]
    counts = [LabelCount.create(entry.name, int(histogram[entry.id])) for entry in legend]
    overview = LabelOverview({})  # `create` adds a property_key of null, which the schema refuses
    overview.counts = counts
    LabelExtension.ext(item, add_if_missing=True).apply(
        label_description=_description(tags),
        label_type=LabelType.RASTER,
        label_classes=[LabelClasses.create(names)],
        label_tasks=[LabelTask.SEGMENTATION],
        label_methods=[LabelMethod.AUTOMATED],
        label_overviews=[overview],
    )
    item.properties["label:properties"] = None  # required, and null for rasters
