"""Class maps as files: a tiled GeoTIFF first, then a cloud-optimised one (COG) with colours."""

from __future__ import annotations

import errno
import json
import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from pydantic import Field, TypeAdapter, ValidationError
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetWriter

from geo_xmodal.bundle import ClassEntry
from geo_xmodal.errors import OutputError, RasterError
from geo_xmodal.mapping.attribute_table import printable
from geo_xmodal.outputs import reason
from geo_xmodal.raster import Assumption, file_window, open_raster
from geo_xmodal.scenes import color_table
from geo_xmodal.types import ClassArray, LandClass, Window
from geo_xmodal.wording import counted

_BLOCK = 512
CACHE_BYTES = 64 << 20
_LEVEL = {"MODE": 6, "AVERAGE": 3}
"""How hard to compress: percents hardly get smaller, and the probabilities of eight classes took four times
as long at level 6."""

_CLASSES_TAG, _ASSUMED_TAG = "CLASSES", "ASSUMED"
_BETWEEN = "; "
_LONGEST_TAG = 1 << 20
_LEGEND = TypeAdapter(Annotated[tuple[ClassEntry, ...], Field(min_length=1, max_length=255)])

# GDAL's errors are raised as ours; without a handler, Python would print each of them as well.
logging.getLogger("rasterio").addHandler(logging.NullHandler())

Blocks = Iterable[tuple[Window, ClassArray]]


@dataclass(frozen=True)
class RasterLayer:
    """uint8 bands to be written as one file.

    Attributes:
        nodata: The value that means "no data".
        overviews: How smaller pictures of it are made.
        description: What the band is; with several, what each is.
        legend: Classes to colour and name; empty for a quantity.
        tags: TIFF metadata.
    """

    nodata: int
    overviews: Literal["MODE", "AVERAGE"]
    description: str | tuple[str, ...]
    legend: tuple[LandClass, ...]
    tags: Mapping[str, str]

    @property
    def descriptions(self) -> tuple[str, ...]:
        """What each band is."""
        return (self.description,) if isinstance(self.description, str) else self.description


def write_cog(path: Path, grid: GeoBox, layer: RasterLayer, blocks: Blocks) -> None:
    """Write a COG of `grid` from blocks that tile it, through a tiled GeoTIFF beside it.

    The file is read back and compared before it counts as written: GDAL does not report every block that a
    full disk lost.

    Args:
        path: The file; nobody else looks at its folder.
        grid: Where its pixels lie.
        layer: What they mean.
        blocks: (row, col) or (band, row, col); can be iterated over twice, with the same result.

    Raises:
        OutputError: If the file cannot be written, or does not hold what was written.
    """
    tiled = path.with_suffix(".tiled.tif")
    try:
        with _environment():
            with rasterio.open(tiled, "w", **_profile(grid, layer)) as dataset:
                _describe(dataset, layer)
                for window, values in blocks:
                    dataset.write(values.reshape(-1, *values.shape[-2:]), window=file_window(window))
            rasterio.shutil.copy(
                tiled,
                path,
                driver="COG",
                NUM_THREADS="ALL_CPUS",  # the same bytes for any number
                COMPRESS="DEFLATE",
                LEVEL=_LEVEL[layer.overviews],
                BLOCKSIZE=_BLOCK,
                BIGTIFF="IF_SAFER",
                OVERVIEW_RESAMPLING=layer.overviews,
            )
            tiled.unlink()
            with rasterio.open(path, driver="GTiff") as dataset:
                for window, values in blocks:
                    found = dataset.read(window=file_window(window))
                    if not np.array_equal(found, values.reshape(found.shape)):
                        raise OSError(errno.EIO, "the file does not hold what was written")
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise OutputError(f"cannot write {path.name}: {reason(error, path.parent)}") from error


def legend_tag(legend: Sequence[LandClass]) -> dict[str, str]:
    """The legend as a TIFF tag, in the order of the model's logits."""
    classes = [{"id": entry.id, "name": entry.name, "color": entry.color} for entry in legend]
    return {_CLASSES_TAG: json.dumps(classes)}


def assumed_tag(assumptions: Iterable[Assumption]) -> dict[str, str]:
    """What was taken for granted about the input as a TIFF tag; none where that is nothing."""
    texts = dict.fromkeys(one.text for one in assumptions)
    return {_ASSUMED_TAG: _BETWEEN.join(texts)} if texts else {}


def read_assumptions(dataset: rasterio.DatasetReader) -> tuple[str, ...]:
    """What a map says was taken for granted about its input."""
    return tuple(filter(None, dataset.tags().get(_ASSUMED_TAG, "").split(_BETWEEN)))


@contextmanager
def open_band(path: Path) -> Iterator[rasterio.DatasetReader]:
    """A map, or the probability beside it: one band of uint8.

    Raises:
        RasterError: It is anything else.
    """
    with open_raster(path) as dataset:
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            raise RasterError(
                f"{path}: {counted(dataset.count, 'band')} of {dataset.dtypes[0]}, expected one band of "
                "uint8, as geo-xmodal map writes it"
            )
        yield dataset


def has_legend(dataset: rasterio.DatasetReader) -> bool:
    """Whether a raster carries the tag of a map of this package."""
    return _CLASSES_TAG in dataset.tags()


def read_legend(dataset: rasterio.DatasetReader) -> tuple[LandClass, ...]:
    """The legend that a map of this package carries.

    Raises:
        RasterError: If it carries none, or one that no map of this package has.
    """
    tag = dataset.tags().get(_CLASSES_TAG)
    if tag is None:
        raise RasterError(
            f"{dataset.name}: no legend in its tags (no {_CLASSES_TAG}): give a map of `geo-xmodal map`"
        )
    if len(tag) > _LONGEST_TAG:
        raise _bad_legend(dataset, f"{len(tag)} characters, at most {_LONGEST_TAG} are read")
    try:
        entries = _LEGEND.validate_json(tag)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _bad_legend(dataset, f"{where + ': ' if where else ''}{first['msg']}") from None
    twice = [id_ for id_, count in Counter(entry.id for entry in entries).items() if count > 1]
    if twice:
        raise _bad_legend(dataset, f"class id {twice[0]} comes twice")
    return tuple(LandClass(entry.id, entry.name, entry.color) for entry in entries)


def _bad_legend(dataset: rasterio.DatasetReader, why: str) -> RasterError:
    return RasterError(
        f"{dataset.name}: no legend that can be read in its tags ({_CLASSES_TAG}: {why}): "
        "give a map that `geo-xmodal map` made"
    )


@contextmanager
def _environment() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        rasterio.Env(
            GDAL_CACHEMAX=CACHE_BYTES, GDAL_PAM_ENABLED="NO", GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"
        ),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a pixel grid is a legal grid here
        yield


def _profile(grid: GeoBox, layer: RasterLayer) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": len(layer.descriptions),
        "interleave": "pixel",
        "height": grid.shape[0],
        "width": grid.shape[1],
        "transform": grid.affine,
        "crs": None if grid.crs is None else grid.crs.to_wkt(),
        "nodata": layer.nodata,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "DEFLATE",
        "zlevel": 1,
        "bigtiff": "IF_SAFER",
    }


def _describe(dataset: DatasetWriter, layer: RasterLayer) -> None:
    dataset.descriptions = [printable(text) for text in layer.descriptions]
    dataset.update_tags(AREA_OR_POINT="Area", **{name: printable(text) for name, text in layer.tags.items()})
    if layer.legend:
        dataset.write_colormap(1, dict.fromkeys(range(256), (0, 0, 0, 0)) | color_table(layer.legend))
