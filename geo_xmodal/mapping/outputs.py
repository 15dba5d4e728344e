"""The files of a map: what they are called, how they come about, and what stays when that is cut short."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from odc.geo.geobox import GeoBox

from geo_xmodal.bundle import Card
from geo_xmodal.class_shares import ClassShares
from geo_xmodal.errors import GeoXmodalError, OutputError, RasterError, UsageError
from geo_xmodal.mapping import qml
from geo_xmodal.mapping.attribute_table import (
    NO_CLASS,
    MapCounts,
    class_side_car,
    statistics_side_car,
)
from geo_xmodal.mapping.geotiff import RasterLayer, assumed_tag, legend_tag, write_cog
from geo_xmodal.mapping.journal import Journal
from geo_xmodal.mapping.layers import NO_PROBABILITY, LayerName, Layers, unpack_layer, unpack_sums
from geo_xmodal.mapping.picture import draw_picture
from geo_xmodal.mapping.shares import recorded_text
from geo_xmodal.named_options import as_argument, option, worded
from geo_xmodal.outputs import beside, held, output_errors, to_disk, without_link
from geo_xmodal.raster import Assumption, open_raster, pixel_areas
from geo_xmodal.small_files import real_path
from geo_xmodal.types import ClassArray, IntArray, Window
from geo_xmodal.version import VERSION

SOFTWARE = f"geo_xmodal {VERSION}"

_MODEL_TAG = "MODEL_SHA256"
SHARES_TAG = "CLASS_SHARES"

_WHOLE = "whole"
"""In the work folder, beside the journal: the folder of files that are put together from it."""

_FILES_TO_WINDOWS, _MIN_ROOM = 3, 1 << 20
"""A tiled file, the map made from it and its overviews take about this many times the windows, and some."""


_ENDINGS: Mapping[LayerName, str] = {
    "classes": "",
    "probability": "_probability",
    "entropy": "_entropy",
    "class_probabilities": "_probabilities",
}


@dataclass(frozen=True)
class MapFiles:
    """Where a map goes.

    Attributes:
        out: The class map.
        layers: What is asked for besides.
        picture: The map as a PNG, anywhere; None for none.
    """

    out: Path
    layers: Layers
    picture: Path | None = None

    @property
    def work(self) -> Path:
        """Hidden folder beside the map that holds everything until it is whole."""
        return self.out.with_name(f".{self.out.name}.partial")

    @property
    def journal(self) -> Path:
        """The finished windows of the map in work."""
        return self.work / "windows"

    @property
    def rasters(self) -> Mapping[LayerName, Path]:
        """The rasters of the map, classes first."""
        return {name: layer_file(self.out, name) for name in self.layers.names}

    @property
    def final(self) -> list[Path]:
        """All files of the finished map, the class map last: where it is, the others are."""
        rasters = reversed(list(self.rasters.values()))
        return [path for raster in rasters for path in (side_car(raster), style_file(raster), raster)]

    def check(self, inputs: Sequence[Path]) -> None:
        """Refuse an output that cannot be meant.

        Raises:
            UsageError: If it is no `.tif`, or one of the inputs.
            OutputError: If a folder is in its place.
        """
        if self.out.suffix.lower() not in (".tif", ".tiff"):
            raise UsageError(f"{self.out}: a map is a GeoTIFF: give a name that ends in .tif")
        if self.picture is not None and real_path(self.picture) in map(real_path, self.final):
            raise UsageError(f"{self.picture}: the map itself lies there: give the picture another name")
        for path in self.final if self.picture is None else (*self.final, self.picture):
            if path.is_dir():
                raise OutputError(f"{path} is a folder: give another output")
            if real_path(path) in inputs:
                raise UsageError(f"{path} is the input: give another output")
        for name, path in self.rasters.items():
            if name != "classes" and path.exists() and not _is_layer(path):
                what = f"the {name.replace('_', ' ')} layer of {self.out.name}"
                raise OutputError(
                    f"{path} is in the way: {what} goes there, and this is no layer of an earlier map: "
                    "move it, or give another output"
                )


def layer_file(out: Path, name: LayerName) -> Path:
    """What a raster of the map `out` is called."""
    return out.with_name(f"{out.stem}{_ENDINGS[name]}{out.suffix}")


def side_car(raster: Path) -> Path:
    """Where GDAL and QGIS look for names, table and statistics of a raster."""
    return raster.with_name(f"{raster.name}.aux.xml")


def style_file(raster: Path) -> Path:
    """Where QGIS looks for the style of a raster."""
    return raster.with_suffix(".qml")


@contextmanager
def unfinished_map(
    files: MapFiles, identity: Mapping[str, str], total: int, resume: bool, begun: date
) -> Iterator[Journal]:
    """The journal of a map in work. Its windows outlive any failure but the input's, until the map is there.

    Args:
        files: Where the map goes.
        identity: What its windows depend on.
        total: Windows in all.
        resume: Go on with an earlier run's windows.
        begun: The day on which the map is begun, unless an earlier run did.

    Raises:
        KeyboardInterrupt: With a line that says how to go on.
        ResumeError: If the earlier run differs.
        OutputError: If nothing can be written there.
    """
    with held(files.out):
        with output_errors(files.out):
            without_link(files.work).mkdir(exist_ok=True)
            without_link(files.journal)
        try:
            journal = Journal(files.journal, identity, resume, begun, files.out)
        except GeoXmodalError:
            _remove_if_empty(files)
            raise
        with journal:
            try:
                yield journal
            except BaseException as error:
                # A file that cannot be read must be mended, and is another input then: its windows serve
                # nobody.
                if not journal.finished or isinstance(error, RasterError):
                    shutil.rmtree(files.work, ignore_errors=True)
                    raise
                kept = f"{len(journal.finished)} of {total} windows are kept"
                hinted = _with_hint(error, f"{kept}: the same command with {option('resume')} goes on")
                if hinted is error:
                    raise
                raise hinted from error
            shutil.rmtree(files.work)


def write_map(
    files: MapFiles,
    journal: Journal,
    windows: Sequence[Window],
    grid: GeoBox,
    card: Card,
    mapped: str,
    assumptions: Sequence[Assumption],
    shares: ClassShares | None,
) -> Mapping[int, int]:
    """Put finished windows together to the map's files; all of them appear, or none.

    Args:
        files: Where the map goes.
        journal: Has all windows.
        windows: Where they lie on the grid.
        grid: The map's.
        card: Of the model.
        mapped: What was mapped, by name.
        assumptions: What was taken for granted about it.
        shares: Class shares of the predictions; None where they are those that the model has learned.

    Returns:
        Pixels of each class id, and of 0, no data.

    Raises:
        OutputError: If they cannot be written.
    """
    counts = _count(journal, windows, files.layers, grid)
    tags = _tags(card, mapped, assumptions, shares, journal.begun)
    whole = files.work / _WHOLE
    _check_room(files, journal.size)
    with _beside_picture(files) as picture, output_errors(files.out):
        shutil.rmtree(without_link(whole), ignore_errors=True)  # what a killed run may have left
        try:
            whole.mkdir()
            for name, path in files.rasters.items():
                made, blocks = whole / path.name, _Blocks(journal, windows, files.layers, name)
                write_cog(made, grid, _raster_layer(name, card, tags), blocks)
                if name == "classes":
                    about = class_side_car(card.legend, counts)
                else:
                    about = statistics_side_car(_histograms(blocks), NO_PROBABILITY)
                side_car(made).write_bytes(about)
                style_file(made).write_bytes(qml.style(_renderer(name, card)))
            moves = [(whole / path.name, path) for path in files.final]
            if picture is not None and files.picture is not None:
                draw_picture(whole / files.out.name, picture, counts)
                moves = [(picture, files.picture), *moves]
            put_map(files.out, moves, files.layers)
        finally:
            shutil.rmtree(whole, ignore_errors=True)
    return {value: int(counts.pixels[value]) for value in (NO_CLASS, *(entry.id for entry in card.legend))}


@contextmanager
def _beside_picture(files: MapFiles) -> Iterator[Path | None]:
    """Where the picture is drawn, on the disk that it will lie on; None where none is asked for."""
    if files.picture is None:
        yield None
        return
    hidden = beside(files.picture, "partial")
    with held(files.picture):
        with output_errors(files.picture):
            hidden.unlink(missing_ok=True)
        try:
            yield hidden
        finally:
            with output_errors(files.picture):
                hidden.unlink(missing_ok=True)


def put_map(out: Path, moves: Sequence[tuple[Path, Path]], layers: Layers) -> None:
    """Put the files of a finished map in their places, and take away what an older one of that name left.

    The class map goes first and comes last: where it is, all that was made with it is its own.

    Args:
        out: The class map.
        moves: Where each file was made, and its place; the class map last.
        layers: What it has besides classes.
    """
    for made, _ in moves:
        to_disk(made)
    outdated = _outdated(out, layers)
    for path in (out, *outdated):
        path.unlink(missing_ok=True)
    for made, path in moves:
        made.replace(path)


def _outdated(out: Path, layers: Layers) -> list[Path]:
    """What an older map of that name shows besides, which would be taken for this one's; rasters last."""
    others = [layer_file(out, name) for name in _ENDINGS if name not in layers.names]
    return [one for path in others if _is_layer(path) for one in (side_car(path), style_file(path), path)]


def _is_layer(path: Path) -> bool:
    """Whether this package made a raster beside a class map; a file of somebody else may have any name."""
    try:
        with open_raster(path) as dataset:
            return _MODEL_TAG in dataset.tags() and not legend_tag(()).keys() & dataset.tags().keys()
    except RasterError:
        return False


def _raster_layer(name: LayerName, card: Card, tags: Mapping[str, str]) -> RasterLayer:
    match name:
        case "classes":
            of_classes = {**tags, **legend_tag(card.legend)}
            return RasterLayer(NO_CLASS, "MODE", "land-cover class", card.legend, of_classes)
        case "probability":
            description: str | tuple[str, ...] = "probability of the class, percent"
        case "entropy":
            description = "entropy of the class probabilities, percent of the largest possible"
        case "class_probabilities":
            description = tuple(entry.name for entry in card.legend)
    return RasterLayer(NO_PROBABILITY, "AVERAGE", description, (), tags)


def _renderer(name: LayerName, card: Card) -> Element:
    """How QGIS draws a raster; of the probabilities of all classes, the first's."""
    if name == "classes":
        return qml.paletted(card.legend)
    return qml.ramp(qml.ENTROPY_RAMP if name == "entropy" else qml.PROBABILITY_RAMP)


def _count(journal: Journal, windows: Sequence[Window], layers: Layers, grid: GeoBox) -> MapCounts:
    """What the finished windows hold of each class."""
    pixels, percent, parts = np.zeros((3, 256), np.int64)
    for index in range(len(windows)):
        with journal.damaged():
            sums = unpack_sums(layers, journal.read(index))
        pixels += sums.pixels
        percent += sums.percent
        parts += sums.parts
    percent[NO_CLASS] = 0
    return MapCounts(pixels, percent, pixel_areas(grid).hectares(parts))


def _histograms(blocks: _Blocks) -> list[IntArray]:
    """For each band, how many pixels have each percent (256,)."""
    total: IntArray | None = None
    for _, values in blocks:
        part = np.stack([np.bincount(band.ravel(), minlength=256) for band in values])
        total = part if total is None else total + part
    return [] if total is None else list(total)


@dataclass(frozen=True)
class _Blocks:
    """One raster of the finished windows, in the order of the grid; can be gone through again."""

    journal: Journal
    windows: Sequence[Window]
    layers: Layers
    name: LayerName

    def __iter__(self) -> Iterator[tuple[Window, ClassArray]]:
        for index, window in enumerate(self.windows):
            with self.journal.damaged():
                values = unpack_layer(self.layers, self.journal.read(index), self.name, window)
            yield window, values


def room_for_files(windows_size: int) -> int:
    """Bytes on the disk, besides the finished windows, to put the map's files together from them."""
    return _FILES_TO_WINDOWS * windows_size + _MIN_ROOM


def _check_room(files: MapFiles, windows_size: int) -> None:
    """Tell a full disk before GDAL meets it, as libtiff prints lines of its own then."""
    needed = room_for_files(windows_size)
    free = shutil.disk_usage(files.work).free
    if free < needed:
        raise OutputError(
            f"cannot write {files.out}: no room left on the disk: {free / 1e6:.1f} MB are free, "
            f"about {needed / 1e6:.1f} MB are needed"
        )


def _tags(
    card: Card, mapped: str, assumptions: Sequence[Assumption], shares: ClassShares | None, begun: date
) -> dict[str, str]:
    """What a map says of itself; of when only the day, so that the same command gives the same bytes."""
    return {
        "TIFFTAG_DATETIME": f"{begun:%Y:%m:%d} 00:00:00",
        "MAPPED": mapped,
        **assumed_tag(assumptions),
        "TIFFTAG_SOFTWARE": SOFTWARE,
        "METHOD": card.method,
        _MODEL_TAG: card.weights_sha256,
        "TRAINED_ON": card.scene,
        "SIMULATED": "yes" if card.simulated else "no",
        "TARGET": f"{card.target.modality} ({card.target.kind})",
        "MARGIN": str(card.margin),
        **({} if shares is None else {SHARES_TAG: recorded_text(shares, card.legend)}),
    }


def _with_hint(error: BaseException, hint: str) -> BaseException:
    if isinstance(error, KeyboardInterrupt):
        return KeyboardInterrupt(f"stopped: {worded(hint, as_argument)}")
    if isinstance(error, GeoXmodalError):
        return type(error)(f"{error.marked}; {hint}")
    error.add_note(worded(hint, as_argument))
    return error


def _remove_if_empty(files: MapFiles) -> None:
    if not files.journal.exists() or files.journal.stat().st_size == 0:
        shutil.rmtree(files.work, ignore_errors=True)
