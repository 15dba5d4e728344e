"""What a user names as the input of a map, as a reader that fits the model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from geo_xmodal.bundle import Card
from geo_xmodal.errors import RasterError, UsageError
from geo_xmodal.mapping.area import cut_to_area
from geo_xmodal.mapping.inputs import differs, model_size_text, resolution_ratio
from geo_xmodal.raster import (
    Adaptation,
    WarpGcps,
    WindowReader,
    aligned_reader,
    band_files_reader,
    describe_raster,
    file_and_rest,
    find_remote,
    is_address,
    mosaic,
    names_bands,
    rasters_in,
    remote_reader,
    size_text,
    with_pixels,
)
from geo_xmodal.small_files import SmallFile, read_text

Pixels = Literal["model", "own"]
"""Whose pixel size a map has."""

_MAX_PATH = 4096
_LIST = SmallFile("a list of paths, one a line", UsageError, "give one path a line", 4 << 20)

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
        warp_gcps: What follows the ground control points of files that have no other place: `polynomial`, or
            `tps` (a thin plate spline); None leaves such a file on its pixel grid.
        remote: Whether `inputs` may be addresses (s3, https, http). Only for what a person typed.

    Raises:
        UsageError: Nothing is named, or a list is none.
        RasterError: A file is missing or cannot be read.
        AlignmentError: Files do not go together.
        VectorError: The area cannot be read, or lies elsewhere.
    """
    tiles: list[tuple[str, WindowReader]] = []
    notes: list[str] = []
    for one in inputs:
        for source in _spelt_out(one, remote):
            try:
                more, said = _opened(source, card, bands, decibel, warp_gcps)
            except RasterError as error:
                if str(source) == str(one):
                    raise
                raise RasterError(f"{error} (a tile of {one})") from error
            tiles += more
            notes += said
    if not tiles:
        raise UsageError(
            f"{', '.join(map(str, inputs)) or 'the list of inputs'} names no file: give one path a line"
        )
    reader = tiles[0][1] if len(tiles) == 1 else mosaic(tiles, same_names=bands is None)
    if bands is not None:
        reader = reader.adapted(Adaptation(asked=True))
    fitted = fit_input(reader, card, pixels=pixels, area=area)
    return MapInput(fitted.reader, _name([name for name, _ in tiles]), (*notes, *fitted.notes))


def fit_input(
    reader: WindowReader,
    card: Card,
    *,
    pixels: Pixels = "model",
    area: Path | str | None = None,
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
        reader = cut_to_area(reader, file, layer or None)
    return MapInput(reader, name, tuple(notes))


def _whole(ratio: float) -> float:
    """A whole number, or one over it, in place of nearly one: then the mean of pixels is exact."""
    near = max(1, round(ratio)) if ratio > 1 else 1 / max(1, round(1 / ratio))
    return near if abs(ratio / near - 1) < _NEARLY else ratio


def _spelt_out(given: Path | str, remote: bool) -> list[Path | str]:
    """One input, or those of a list; addresses stay text."""
    text = str(given)
    if is_address(text):
        if not remote:
            raise RasterError(f"{text!r}: an address is read only where it is given on the command line")
        return [text]
    path = Path(given)
    return list(_listed(path)) if path.suffix.lower() == ".txt" and not path.is_dir() else [path]


def _listed(path: Path) -> list[Path]:
    lines = [line.strip() for line in read_text(path, _LIST).splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    for line in wanted:
        if len(line) > _MAX_PATH:
            raise UsageError(f"{path}: a line of {len(line)} letters, expected one path a line")
        if is_address(line):
            raise UsageError(f"{path}: {line[:100]!r} is an address, which a list may not name; give --input")
    return [path.parent / line for line in wanted]


def _opened(
    source: Path | str,
    card: Card,
    bands: Sequence[int | str] | None,
    decibel: bool,
    warp_gcps: WarpGcps | None,
) -> tuple[list[tuple[str, WindowReader]], list[str]]:
    """The tiles of one source, each with its name, and lines on what was chosen."""
    kind = card.target.kind
    if isinstance(source, str):
        remote = remote_reader(
            find_remote(source), kind=kind, bands=bands, decibel=decibel, warp_gcps=warp_gcps
        )
        return [(remote.name, remote)], []
    is_folder = os.path.isdir(source)  # noqa: PTH112  # Path.is_dir fails on a name that is too long
    names = _band_files(source, card, bands) if is_folder else None
    if names is not None:
        reader, notes = band_files_reader(source, names, kind=kind, decibel=decibel, warp_gcps=warp_gcps)
        return [(str(source), reader)], notes
    files = rasters_in(source) if is_folder else [source]
    readers = [
        aligned_reader(path, kind=kind, bands=bands, decibel=decibel, warp_gcps=warp_gcps) for path in files
    ]
    return [(str(path), reader) for path, reader in zip(files, readers, strict=True)], []


def _band_files(folder: Path, card: Card, bands: Sequence[int | str] | None) -> list[str] | None:
    """The bands that the files of a folder are called after, if they are."""
    files = rasters_in(folder)
    if bands is not None:
        names = [str(band) for band in bands]
        named = not any(isinstance(band, int) for band in bands)
        return names if named and any(names_bands(files, [name]) for name in names) else None
    names = list(card.target.statistics.bands)
    if describe_raster(files[0]).count == len(names) or not names_bands(files, names):
        return None
    return names


def _name(names: Sequence[str]) -> str:
    """What the tags call an input: one file, or the first of many."""
    short = [name.rstrip("/").rpartition("/")[2] for name in names[:_NAMED]]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(short) + more
