"""QGIS layer styles (`.qml`): QGIS takes the one of a raster's own name when it opens the raster.

Written as plain XML in the form of QGIS 3.22, which later versions read.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from geo_xmodal.mapping.attribute_table import printable
from geo_xmodal.types import LandClass

DOCTYPE = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
QGIS_VERSION = "3.22.16-Bialowieza"
"""The version whose form the files have."""

Stop = tuple[float, str, str]
"""Value, colour `#rrggbb` and label of one end, or one step, of a ramp."""

PROBABILITY_RAMP: Sequence[Stop] = (
    (0, "#440154", "0 %"), (25, "#3b528b", "25 %"), (50, "#21918c", "50 %"),
    (75, "#5ec962", "75 %"), (100, "#fde725", "100 %"),
)  # fmt: skip
"""matplotlib's viridis (CC0), which grows evenly brighter also for colour-blind readers."""

ENTROPY_RAMP: Sequence[Stop] = (
    (0, "#000004", "0 % (sure)"), (25, "#51127c", "25 %"), (50, "#b73779", "50 %"),
    (75, "#fc8961", "75 %"), (100, "#fcfdbf", "100 % (no idea)"),
)  # fmt: skip
"""matplotlib's magma (CC0): as viridis, and not to be mistaken for it, since bright means doubt."""


def paletted(legend: Sequence[LandClass]) -> Element:
    """One colour and name a class; other values are not drawn."""
    renderer = renderer_of("paletted", band="1")
    palette = SubElement(renderer, "colorPalette")
    for entry in sorted(legend, key=lambda entry: entry.id):
        label = printable(entry.name)
        SubElement(palette, "paletteEntry", value=str(entry.id), color=entry.color, label=label, alpha="255")
    return renderer


def categorized_polygons(legend: Sequence[LandClass], column: str) -> bytes:
    """A whole `.qml` for polygons: one colour and name a class, by the class ids of a column."""
    root = Element("qgis", version=QGIS_VERSION, styleCategories="Symbology")
    renderer = SubElement(root, "renderer-v2", type="categorizedSymbol", attr=column, enableorderby="0")
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    for index, entry in enumerate(sorted(legend, key=lambda entry: entry.id)):
        label, name = printable(entry.name), str(index)
        SubElement(
            categories,
            "category",
            value=str(entry.id),
            type="integer",
            symbol=name,
            label=label,
            render="true",
        )
        symbol = SubElement(symbols, "symbol", type="fill", name=name, alpha="1", clip_to_extent="1")
        add_fill(symbol, entry.rgb)
    return document(root)


def add_fill(symbol: Element, rgb: tuple[int, int, int]) -> None:
    """A layer of a fill symbol: plain, without outline."""
    layer = SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0", "locked": "0"})
    options = SubElement(layer, "Option", type="Map")
    settings = {"color": ",".join(map(str, (*rgb, 255))), "outline_style": "no", "style": "solid"}
    for name, value in settings.items():
        SubElement(options, "Option", name=name, type="QString", value=value)
    for name, value in settings.items():  # the form that QGIS before 3.26 reads
        SubElement(layer, "prop", k=name, v=value)


def ramp(stops: Sequence[Stop]) -> Element:
    """Colours between those of the stops, which are in order."""
    low, high = f"{stops[0][0]:g}", f"{stops[-1][0]:g}"
    renderer = renderer_of("singlebandpseudocolor", band="1", classificationMin=low, classificationMax=high)
    shader = SubElement(
        SubElement(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="1",
        clip="0",
        minimumValue=low,
        maximumValue=high,
    )
    for value, color, label in stops:
        SubElement(shader, "item", value=f"{value:g}", color=color, label=label, alpha="255")
    return renderer


def style(renderer: Element) -> bytes:
    """A whole `.qml` around a renderer."""
    root = Element("qgis", version=QGIS_VERSION, styleCategories="AllStyleCategories")
    add_style(root, renderer)
    return document(root)


def add_style(layer: Element, renderer: Element) -> None:
    """What a raster layer's style is made of, in a style file and in a project alike."""
    flags = SubElement(layer, "flags")
    for name in ("Identifiable", "Removable", "Searchable"):
        SubElement(flags, name).text = "1"
    pipe = SubElement(layer, "pipe")
    # A class between two classes is none: pixels are never blended.
    SubElement(
        SubElement(pipe, "provider"),
        "resampling",
        enabled="false",
        zoomedInResamplingMethod="nearestNeighbour",
        zoomedOutResamplingMethod="nearestNeighbour",
        maxOversampling="2",
    )
    pipe.append(renderer)
    SubElement(pipe, "rasterresampler", maxOversampling="2")
    SubElement(layer, "blendMode").text = "0"


def document(root: Element) -> bytes:
    """A QGIS file as bytes."""
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8")
    return DOCTYPE + text + b"\n"


def renderer_of(kind: str, **attributes: str) -> Element:
    """An opaque renderer whose limits stay as they are written."""
    fixed = {"type": kind, "opacity": "1", "alphaBand": "-1"}
    renderer = Element("rasterrenderer", fixed | attributes)
    SubElement(SubElement(renderer, "minMaxOrigin"), "limits").text = "None"
    return renderer
