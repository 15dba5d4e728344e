"""What a user names as the input of a map, as a reader that fits the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geo_xmodal.bundle import Card
from geo_xmodal.mapping.area import cut_to_area
from geo_xmodal.mapping.inputs import differs, model_size_text, resolution_ratio
from geo_xmodal.raster import (
    Adaptation,
    AssignedCrs,
    WarpGcps,
    WindowReader,
    crs_of_file,
    file_and_rest,
    open_source,
    size_text,
    with_pixels,
)
from geo_xmodal.requests.mapping import Pixels

_NEARLY = 0.005
"""Share by which resampled pixels may miss the model's size."""

_NAMED = 3


@dataclass(frozen=True)
class MapInput:
    """What is mapped.

    Attributes:
        reader: Its values.
        name: What the map's tags call it.
        notes: Lines that the user should see: what was chosen, or changed.
    """

    reader: WindowReader
    name: str
    notes: tuple[str, ...] = ()


def map_input(
    inputs: Sequence[Path | str],
    card: Card,
    *,
    bands: Sequence[int | str] | None = None,
    decibel: bool = False,
    pixels: Pixels = "model",
    area: Path | str | None = None,
    assign_crs: AssignedCrs | None = None,
    warp_gcps: WarpGcps | None = None,
    remote: bool = False,
) -> MapInput:
    """The input of a map: files, tiles, folders of tiles or of band files, lists of tiles.

    Several tiles are one mosaic, in the order given, or of name within a folder: see
    `geo_xmodal.raster.mosaic`.

    Args:
        inputs: GeoTIFFs, folders, and `.txt` lists with one path a line (relative to the list, `#` begins a
            comment).
        card: Of the model.
        bands: In the model's order: numbers, or names as files or file names have them. None takes all bands
            of a file, and for a folder whose files are called after the model's bands those.
        decibel: Files hold decibels.
        pixels: Whether an input with pixels of another size is resampled to the model's.
        area: Polygons to map, `file` or `file:layer`; None maps everything.
        assign_crs: Authority and code (`EPSG:32633`) of the CRS of an area whose file has none.
        warp_gcps: What follows the ground control points of files that have no other place: `polynomial`, or
            `tps` (a thin plate spline); None leaves such a file on its pixel grid.
        remote: Whether `inputs` may be addresses (s3, https, http). Only for what a person typed.

    Raises:
        UsageError: Nothing is named, or a list is none.
        RasterError: A file is missing or cannot be read.
        AlignmentError: Files do not go together.
        VectorError: The area cannot be read, or lies elsewhere.
    """
    source = open_source(
        inputs,
        band_files=card.target.statistics.bands,
        remote=remote,
        kind=card.target.kind,
        bands=bands,
        decibel=decibel,
        warp_gcps=warp_gcps,
    )
    reader = source.reader
    if bands is not None:
        reader = reader.adapted(Adaptation(asked=True))
    fitted = fit_input(reader, card, pixels=pixels, area=area, assign_crs=assign_crs)
    return MapInput(fitted.reader, _name(source.names), (*source.notes, *fitted.notes))


def fit_input(
    reader: WindowReader,
    card: Card,
    *,
    pixels: Pixels = "model",
    area: Path | str | None = None,
    assign_crs: AssignedCrs | None = None,
    name: str = "",
) -> MapInput:
    """A reader at the model's pixel size, cut to an area.

    A grid whose pixels are within a tenth of the model's stays as it is; so does one whose pixels cannot be
    compared. Any other is resampled: same CRS, first corner and extent, pixels of the model's size.

    Args:
        reader: What is mapped.
        card: Of the model.
        pixels: Whether pixels of another size are resampled to the model's.
        area: Polygons to map, `file` or `file:layer`; None maps everything.
        assign_crs: Authority and code (`EPSG:32633`) of the CRS of an area whose file has none.
        name: What the map's tags call it.

    Raises:
        AlignmentError: The reader cannot be resampled.
        VectorError: The area cannot be read, or lies elsewhere.
    """
    notes = []
    ratio = resolution_ratio(card, reader.grid)
    if pixels == "model" and ratio is not None and differs(card, reader.grid):
        before = size_text(reader.grid)
        reader = reader.on(with_pixels(reader.grid, *(_whole(one) for one in ratio)))
        notes.append(f"resampled from pixels of {before} to the model's, {model_size_text(card)}")
    if area is not None:
        file, layer = file_and_rest(str(area))
        reader = cut_to_area(reader, file, layer or None, crs_of_file(assign_crs, file))
    return MapInput(reader, name, tuple(notes))


def _whole(ratio: float) -> float:
    """A whole number, or one over it, in place of nearly one: then the mean of pixels is exact."""
    near = max(1, round(ratio)) if ratio > 1 else 1 / max(1, round(1 / ratio))
    return near if abs(ratio / near - 1) < _NEARLY else ratio


def _name(names: Sequence[str]) -> str:
    """What the tags call an input: one file, or the first of many."""
    short = [name.rstrip("/").rpartition("/")[2] for name in names[:_NAMED]]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(short) + more
