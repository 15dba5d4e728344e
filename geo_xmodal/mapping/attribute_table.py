"""What GDAL and QGIS know of a raster beside its pixels: `<raster>.aux.xml`, GDAL's standard sidecar (PAM).

TIFF has no place for class names, for a table of the classes, or for statistics that programs find there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from geo_xmodal.raster import Floats, shown_name
from geo_xmodal.types import IntArray, LandClass

NO_CLASS = 0
_MAX_SIDE_CAR = 4 << 20

_INTEGER, _REAL, _STRING = "0", "1", "2"
_GENERIC, _COUNT, _NAME, _VALUE, _RED, _GREEN, _BLUE, _ALPHA = "0", "1", "2", "5", "6", "7", "8", "9"
"""GDAL's numbers for what a column of a table holds and is for."""


@dataclass(frozen=True)
class MapCounts:
    """What one pass over a map counts; sums of integers, so that no order of windows shows.

    Attributes:
        pixels: (256,) pixels of each class id.
        percent: (256,) sum of the probability, in percent, of the pixels of each id; None where unknown.
        hectares: (256,) area on the ground of each id; None where the grid has no place on an ellipsoid.
    """

    pixels: IntArray
    percent: IntArray | None = None
    hectares: Floats | None = None

    @property
    def shares(self) -> Floats:
        """(256,) share of each id in the area that has a class, in its pixels where no area is known."""
        of_classes = np.array(self.pixels if self.hectares is None else self.hectares, np.float64)
        of_classes[NO_CLASS] = 0
        return of_classes / (of_classes.sum() or 1.0)

    @property
    def shares_of(self) -> str:
        """What `shares` are shares of, in words."""
        return "pixels" if self.hectares is None else "area"

    def mean_probability(self, class_id: int) -> float | None:
        """Mean over the pixels of a class, 0 to 1, to four decimals; None where unknown."""
        count = int(self.pixels[class_id])
        if self.percent is None or not count:
            return None
        return round(int(self.percent[class_id]) / (100 * count), 4)


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    usage: str
    values: Sequence[object]


def class_side_car(legend: Sequence[LandClass], counts: MapCounts) -> bytes:
    """Category names, raster attribute table and statistics of a class map, as PAM XML."""
    shown = sorted(legend, key=lambda entry: entry.id)
    root = Element("PAMDataset")
    band = SubElement(root, "PAMRasterBand", band="1")
    names = {entry.id: entry.name for entry in shown}
    categories = SubElement(band, "CategoryNames")
    for value in range(max(names) + 1):
        name = "no data" if value == NO_CLASS else names.get(value, "")
        SubElement(categories, "Category").text = printable(name)
    band.append(_table(_columns(shown, counts)))
    of_classes = counts.pixels.copy()
    of_classes[NO_CLASS] = 0
    _add_statistics(band, of_classes, int(counts.pixels.sum()))
    return _xml(root)


def statistics_side_car(histograms: Sequence[IntArray], nodata: int) -> bytes:
    """Statistics of a uint8 raster from how many pixels of each band have each value, as PAM XML."""
    root = Element("PAMDataset")
    for number, histogram in enumerate(histograms, start=1):
        band = SubElement(root, "PAMRasterBand", band=str(number))
        valid = histogram.copy()
        valid[nodata] = 0
        _add_statistics(band, valid, int(histogram.sum()))
    return _xml(root)


def read_class_names(raster: Path) -> dict[int, str]:
    """Value to class name in the raster attribute table or the category names beside a raster.

    Empty where nothing lies beside it, or nothing that can be read; GDAL opens no file for it.
    """
    notes = raster.with_name(raster.name + ".aux.xml")
    if not notes.is_file():
        return {}
    try:
        with notes.open("rb") as file:
            text = file.read(_MAX_SIDE_CAR + 1)
        if len(text) > _MAX_SIDE_CAR or b"<!" in text.replace(b"<!--", b""):
            return {}  # a document type could define entities
        band = ElementTree.fromstring(text).find("PAMRasterBand[@band='1']")
    except (OSError, ElementTree.ParseError):
        return {}
    if band is None:
        return {}
    names = {value: entry.text or "" for value, entry in enumerate(band.findall("CategoryNames/Category"))}
    usages = [column.findtext("Usage") for column in band.findall("GDALRasterAttributeTable/FieldDefn")]
    if _NAME in usages and _VALUE in usages:
        for row in band.findall("GDALRasterAttributeTable/Row"):
            cells = [cell.text or "" for cell in row.findall("F")]
            if len(cells) == len(usages) and cells[usages.index(_VALUE)].isdecimal():
                names[int(cells[usages.index(_VALUE)])] = cells[usages.index(_NAME)]
    return {value: shown for value, name in names.items() if (shown := shown_name(printable(name)))}


def printable(text: str) -> str:
    """`text` without control characters, which neither XML nor a TIFF tag can hold."""
    return "".join(character if character.isprintable() else " " for character in text)


def _columns(legend: Sequence[LandClass], counts: MapCounts) -> list[_Column]:
    pixels = [int(counts.pixels[entry.id]) for entry in legend]
    columns = [
        _Column("Value", _INTEGER, _VALUE, [entry.id for entry in legend]),
        _Column("Count", _INTEGER, _COUNT, pixels),
        _Column("Class", _STRING, _NAME, [printable(entry.name) for entry in legend]),
        _Column("Red", _INTEGER, _RED, [entry.rgb[0] for entry in legend]),
        _Column("Green", _INTEGER, _GREEN, [entry.rgb[1] for entry in legend]),
        _Column("Blue", _INTEGER, _BLUE, [entry.rgb[2] for entry in legend]),
        _Column("Alpha", _INTEGER, _ALPHA, [255] * len(legend)),
    ]
    if counts.hectares is not None:
        areas = [_number(float(counts.hectares[entry.id])) for entry in legend]
        columns.append(_Column("Hectares", _REAL, _GENERIC, areas))
    if counts.percent is not None:
        means = [_number(counts.mean_probability(entry.id) or 0.0) for entry in legend]
        columns.append(_Column("MeanProbability", _REAL, _GENERIC, means))
    return columns


def _table(columns: Sequence[_Column]) -> Element:
    table = Element("GDALRasterAttributeTable", tableType="thematic")
    for index, column in enumerate(columns):
        definition = SubElement(table, "FieldDefn", index=str(index))
        SubElement(definition, "Name").text = column.name
        SubElement(definition, "Type").text = column.type
        SubElement(definition, "Usage").text = column.usage
    for index, values in enumerate(zip(*(column.values for column in columns), strict=True)):
        row = SubElement(table, "Row", index=str(index))
        for value in values:
            SubElement(row, "F").text = str(value)
    return table


def _add_statistics(band: Element, valid: IntArray, total: int) -> None:
    """Minimum, maximum, mean and standard deviation; nothing where no pixel is valid."""
    count = int(valid.sum())
    if not count:
        return
    values = np.flatnonzero(valid)
    # in Python's integers: the sum of squares of a large map does not fit in 64 bits
    first = sum(int(value) * int(valid[value]) for value in values)
    second = sum(int(value) ** 2 * int(valid[value]) for value in values)
    deviation = math.sqrt(max(0, second * count - first**2)) / count
    metadata = SubElement(band, "Metadata")
    for name, number in (
        ("MAXIMUM", float(values.max())),
        ("MEAN", first / count),
        ("MINIMUM", float(values.min())),
        ("STDDEV", deviation),
        ("VALID_PERCENT", 100 * count / total),
    ):
        SubElement(metadata, "MDI", key=f"STATISTICS_{name}").text = _number(number)


def _number(value: float) -> str:
    return f"{value:.10g}"


def _xml(root: Element) -> bytes:
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8")
    return text + b"\n"
