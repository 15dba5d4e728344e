"""The files of a map: what they are called, how they come about, and what stays when that is cut short."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from geo_xmodal.bundle import Card
from geo_xmodal.errors import GeoXmodalError, OutputError, RasterError, UsageError
from geo_xmodal.mapping import qml
from geo_xmodal.mapping.attribute_table import (
    NO_CLASS,
    MapCounts,
    class_side_car,
    hectares,
    statistics_side_car,
)
from geo_xmodal.mapping.geotiff import RasterLayer, legend_tag, write_cog
from geo_xmodal.mapping.journal import Journal
from geo_xmodal.mapping.tasks import NO_PROBABILITY, unpack_window
from geo_xmodal.outputs import output_errors
from geo_xmodal.types import ClassArray, IntArray, Window
from geo_xmodal.version import VERSION

SOFTWARE = f"geo_xmodal {VERSION}"

_JOURNAL, _WHOLE = "windows", "whole"
"""In the work folder: the finished windows, and the folder of files that are put together from them."""

_FILES_TO_WINDOWS, _LEAST_ROOM = 3, 1 << 20
"""A tiled file, the map made from it and its overviews take about this many times the windows, and some."""


@dataclass(frozen=True)
class MapFiles:
    """Where a map goes.

    Attributes:
        classes: Class ids.
        probability: Top-1 probability in percent, if asked for.
        work: Hidden folder beside them that holds everything until it is whole.
    """

    classes: Path
    probability: Path | None
    work: Path

    @classmethod
    def of(cls, out: Path, probability: bool) -> MapFiles:
        """The files of a map that is called `out`."""
        return cls(
            classes=out,
            probability=out.with_name(f"{out.stem}_probability{out.suffix}") if probability else None,
            work=out.with_name(f".{out.name}.partial"),
        )

    @property
    def final(self) -> list[Path]:
        """All files of the finished map, the class map last: where it is, the others are."""
        rasters = [path for path in (self.probability, self.classes) if path is not None]
        return [path for raster in rasters for path in (side_car(raster), style_file(raster), raster)]

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse an output that cannot be meant.

        Raises:
            UsageError: If it is no `.tif`, or one of the inputs.
            OutputError: If a folder is in its place.
        """
        if self.classes.suffix.lower() not in (".tif", ".tiff"):
            raise UsageError(f"{self.classes}: a map is a GeoTIFF: give a name that ends in .tif")
        for path in self.final:
            if path.is_dir():
                raise OutputError(f"{path} is a folder: give another output")
            if path.resolve() in inputs:
                raise UsageError(f"{path} is the input: give another output")


def side_car(raster: Path) -> Path:
    """Where GDAL and QGIS look for names, table and statistics of a raster."""
    return raster.with_name(f"{raster.name}.aux.xml")


def style_file(raster: Path) -> Path:
    """Where QGIS looks for the style of a raster."""
    return raster.with_suffix(".qml")


@contextmanager
def unfinished_map(
    files: MapFiles, identity: Mapping[str, str], total: int, resume: bool
) -> Iterator[Journal]:
    """The journal of a map in work. Its windows outlive any failure but the input's, until the map is there.

    Args:
        files: Where the map goes.
        identity: What its windows depend on.
        total: Windows in all.
        resume: Go on with an earlier run's windows.

    Raises:
        KeyboardInterrupt: With a line that says how to go on.
        ResumeError: If the earlier run differs.
        OutputError: If nothing can be written there.
    """
    with output_errors(files.classes):
        files.work.mkdir(parents=True, exist_ok=True)
    try:
        journal = Journal(files.work / _JOURNAL, identity, resume)
    except GeoXmodalError:
        _remove_if_empty(files.work)
        raise
    with journal:
        try:
            yield journal
        except BaseException as error:
            # A file that cannot be read must be mended, and is another input then: its windows serve nobody.
            if not journal.finished or isinstance(error, RasterError):
                shutil.rmtree(files.work, ignore_errors=True)
                raise
            kept = f"{len(journal.finished)} of {total} windows are kept"
            hinted = _with_hint(error, f"{kept}: the same command with --resume goes on")
            if hinted is error:
                raise
            raise hinted from error
        shutil.rmtree(files.work)


def write_map(
    files: MapFiles, journal: Journal, windows: Sequence[Window], grid: GeoBox, card: Card
) -> Mapping[int, int]:
    """Put finished windows together to the map's files; all of them appear, or none.

    Returns:
        Pixels of each class id, and of 0, no data.

    Raises:
        OutputError: If they cannot be written.
    """
    counts, percents = _count(journal, windows)
    tags = _tags(card)
    classes = RasterLayer(NO_CLASS, "MODE", "land-cover class", card.legend, tags | legend_tag(card.legend))
    percent = RasterLayer(NO_PROBABILITY, "AVERAGE", "probability of the class, percent", (), tags)
    whole = files.work / _WHOLE
    _check_room(files, journal.size)
    with output_errors(files.classes):
        shutil.rmtree(whole, ignore_errors=True)  # what a killed run may have left
        try:
            whole.mkdir()
            made = whole / files.classes.name
            write_cog(made, grid, classes, _Layer(journal, windows, 0))
            side_car(made).write_bytes(class_side_car(card.legend, counts, hectares(grid)))
            style_file(made).write_bytes(qml.style(qml.paletted(card.legend)))
            if files.probability is not None:
                made = whole / files.probability.name
                write_cog(made, grid, percent, _Layer(journal, windows, 1))
                side_car(made).write_bytes(statistics_side_car(percents, NO_PROBABILITY))
                style_file(made).write_bytes(qml.style(qml.ramp(qml.PROBABILITY_RAMP)))
            for path in files.final:
                _to_disk(whole / path.name)
            for path in files.final:
                (whole / path.name).replace(path)
        finally:
            shutil.rmtree(whole, ignore_errors=True)
    return {value: int(counts.pixels[value]) for value in (NO_CLASS, *(entry.id for entry in card.legend))}


def _count(journal: Journal, windows: Sequence[Window]) -> tuple[MapCounts, IntArray]:
    """What the finished windows hold of each class, and how many pixels have each percent (256,)."""
    pixels, percent, histogram = np.zeros((3, 256), np.int64)
    for index, window in enumerate(windows):
        layers, sums = unpack_window(journal.read(index), window)
        pixels += np.bincount(layers[0].ravel(), minlength=256)
        percent += sums
        if len(layers) > 1:
            histogram += np.bincount(layers[1].ravel(), minlength=256)
    percent[NO_CLASS] = 0
    return MapCounts(pixels, percent), histogram


@dataclass(frozen=True)
class _Layer:
    """One layer of the finished windows, in the order of the grid; can be gone through again."""

    journal: Journal
    windows: Sequence[Window]
    layer: int

    def __iter__(self) -> Iterator[tuple[Window, ClassArray]]:
        for index, window in enumerate(self.windows):
            yield window, unpack_window(self.journal.read(index), window)[0][self.layer]


def _check_room(files: MapFiles, windows_size: int) -> None:
    """Tell a full disk before GDAL meets it, as libtiff prints lines of its own then."""
    needed = _FILES_TO_WINDOWS * windows_size + _LEAST_ROOM
    free = shutil.disk_usage(files.work).free
    if free < needed:
        raise OutputError(
            f"cannot write {files.classes}: no room left on the disk: {free / 1e6:.1f} MB are free, "
            f"about {needed / 1e6:.1f} MB are needed"
        )


def _tags(card: Card) -> dict[str, str]:
    """What a map says of its model; nothing of when, so that the same command gives the same bytes."""
    return {
        "TIFFTAG_SOFTWARE": SOFTWARE,
        "METHOD": card.method,
        "MODEL_SHA256": card.weights_sha256,
        "TRAINED_ON": card.scene,
        "SIMULATED": "yes" if card.simulated else "no",
        "TARGET": f"{card.target.modality} ({card.target.kind})",
        "MARGIN": str(card.margin),
    }


def _with_hint(error: BaseException, hint: str) -> BaseException:
    if isinstance(error, KeyboardInterrupt):
        return KeyboardInterrupt(f"stopped: {hint}")
    if isinstance(error, GeoXmodalError):
        return type(error)(f"{error}; {hint}")
    error.add_note(hint)
    return error


def _remove_if_empty(work: Path) -> None:
    journal = work / _JOURNAL
    if not journal.exists() or journal.stat().st_size == 0:
        shutil.rmtree(work, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """A power cut after the rename must not leave an empty file under the map's name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
