"""The print layout of a project: A4 across, the map beside its legend, what the model is and how good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from geo_xmodal.export.project import (
    Extent,
    ProjectLayer,
    number,
    plain,
    stable_uuid,
    tree_layer,
)
from geo_xmodal.mapping.qml import add_fill

_PAGE = (297.0, 210.0)
_FONT = "Sans Serif"
_INK = (34, 34, 34)
_LEGEND_ROWS = (18, 34)
"""Classes that one column of the legend takes beside the map, in large and in small letters."""

_PAGE_ROWS = 52
"""Classes that one column of a page of its own takes."""

_PAGE_ITEM, _MAP, _PICTURE, _LABEL, _LEGEND, _SCALE_BAR = (
    "65638", "65639", "65640", "65641", "65642", "65646",
)  # fmt: skip
"""QGIS's numbers for the kinds of items."""

_LEFT, _TOP, _BOTTOM = "1", "32", "64"


@dataclass(frozen=True)
class Box:
    """A rectangle on the page, in millimetres from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class PrintLayout:
    """What a layout shows.

    Attributes:
        title: The heading.
        subtitle: One line below it.
        extent: Of the map, in its CRS.
        layer: The class map.
        legend: What the legend says of each class, in the order of class ids.
        text: Paragraphs on model, accuracy and data.
        georeferenced: There is a CRS; without one, neither scale nor north is known.
        width: Of the extent, in metres.
    """

    title: str
    subtitle: str
    extent: Extent
    layer: ProjectLayer
    legend: Sequence[str]
    text: Sequence[str]
    georeferenced: bool
    width: float


_MAP_BOX = Box(10, 27, 197, 158)
_SIDE = Box(212, 27, 75, 158)
_MAP_ID = f"{{{stable_uuid('map item')}}}"


def layout(content: PrintLayout) -> Element:
    """The layout as an element of a project."""
    root = Element("Layout", name="Map", units="mm", printResolution="300", worldFileMap=_MAP_ID)
    SubElement(root, "Snapper", snapToItems="1", snapToGuides="1", snapToGrid="0", tolerance="5")
    SubElement(root, "Grid", resolution="10", resUnits="mm", offsetX="0", offsetY="0", offsetUnits="mm")
    classes = len(content.legend)
    small = classes > _LEGEND_ROWS[0]
    second_page = classes > _LEGEND_ROWS[1]
    _add_pages(root, 2 if second_page else 1)
    extent = _filled(content.extent, _MAP_BOX)
    root.append(_map(content.layer, extent))
    root.append(_label("title", content.title, Box(10, 8, 277, 10), 20, bold=True))
    root.append(_label("subtitle", content.subtitle, Box(10, 18, 277, 6), 10))
    if second_page:
        place = Box(10, _PAGE[1] + 20, 277, 180)
        columns = math.ceil(classes / _PAGE_ROWS)
        root.append(_legend(content, place, columns, 7.0))
        note = f"Legend of {classes} classes: page 2"
        root.append(_label("legend note", note, Box(_SIDE.x, _SIDE.y, _SIDE.width, 6), 10))
        text_top = _SIDE.y + 12.0
    else:
        root.append(_legend(content, _SIDE, 1, 7.0 if small else 9.5))
        row = 4.0 if small else 6.2
        text_top = _SIDE.y + 8 + row * classes
    text = "\n\n".join(content.text)
    rest = Box(_SIDE.x, text_top, _SIDE.width, _SIDE.y + _SIDE.height - text_top)
    root.append(_label("model", text, rest, 7.5 if small and not second_page else 8.5, top=False))
    if content.georeferenced:
        root.append(_scale_bar(content, extent))
        root.append(_north_arrow())
    return root


def _filled(extent: Extent, box: Box) -> Extent:
    """The extent, made wider or higher until it has the shape of the box."""
    west, south, east, north = extent
    width, height = east - west, north - south
    if width / height < box.width / box.height:
        more = (height * box.width / box.height - width) / 2
        return west - more, south, east + more, north
    more = (width * box.height / box.width - height) / 2
    return west, south - more, east, north + more


def _add_pages(root: Element, count: int) -> None:
    pages = SubElement(root, "PageCollection")
    for page in range(count):
        place = Box(0, page * (_PAGE[1] + 10), *_PAGE)
        item = _item(_PAGE_ITEM, f"page {page + 1}", place)
        paper = SubElement(item, "symbol", type="fill", name="", alpha="1", clip_to_extent="1")
        add_fill(paper, (255, 255, 255))
        pages.append(item)


def _item(kind: str, name: str, box: Box, **attributes: str) -> Element:
    """What every item has; the first page's upper left corner is the origin of all."""
    identity = f"{{{stable_uuid('map item' if kind == _MAP else name)}}}"
    position = f"{box.x:g},{box.y:g},mm"
    fixed = {
        "type": kind,
        "id": name,
        "uuid": identity,
        "templateUuid": identity,
        "position": position,
        "positionOnPage": position,
        "size": f"{box.width:g},{box.height:g},mm",
        "referencePoint": "0",
        "opacity": "1",
        "visibility": "1",
        "background": "false",
        "frame": "false",
        "zValue": "1",
    }
    item = Element("LayoutItem", fixed | attributes)
    SubElement(item, "FrameColor", red="120", green="120", blue="120", alpha="255")
    SubElement(item, "BackgroundColor", red="255", green="255", blue="255", alpha="255")
    return item


def _map(layer: ProjectLayer, extent: Extent) -> Element:
    item = _item(
        _MAP, "map", _MAP_BOX, frame="true", background="true", outlineWidthM="0.2,mm",
        keepLayerSet="true", keepLayerStyles="false", followPreset="false", mapRotation="0",
        drawCanvasItems="false",
    )  # fmt: skip
    west, south, east, north = (number(value) for value in extent)
    SubElement(item, "Extent", xmin=west, ymin=south, xmax=east, ymax=north)
    layers = SubElement(item, "LayerSet")
    entry = SubElement(layers, "Layer", provider="gdal", name=plain(layer.name), source=f"./{layer.file}")
    entry.text = layer.id
    return item


def _label(name: str, text: str, box: Box, size: float, bold: bool = False, top: bool = True) -> Element:
    item = _item(
        _LABEL, name, box, labelText=plain(text), htmlState="0", halign=_LEFT,
        valign=_TOP if top else _BOTTOM, marginX="0", marginY="0", zValue="3",
    )  # fmt: skip
    SubElement(item, "LabelFont", description=_font(size, bold), style="Bold" if bold else "")
    red, green, blue = (str(part) for part in _INK)
    SubElement(item, "FontColor", red=red, green=green, blue=blue, alpha="255")
    return item


def _legend(content: PrintLayout, box: Box, columns: int, size: float) -> Element:
    item = _item(
        _LEGEND, "legend", box, title="", titleAlignment="1", map_uuid=_MAP_ID, splitLayer="1",
        columnCount=str(columns), columnSpace="4", equalColumnWidth="0", boxSpace="0",
        symbolWidth=f"{0.6 * size:g}", symbolHeight=f"{0.34 * size:g}", symbolAlignment="1",
        lineSpacing="0.5", rasterBorder="1", rasterBorderColor="120,120,120,255",
        rasterBorderWidth="0.1", fontColor="#222222", resizeToContents="1", wrapChar="",
        legendFilterByAtlas="0", zValue="2",
    )  # fmt: skip
    styles = SubElement(item, "styles")
    for name, points, margin in (
        ("title", size + 2, 2.0),
        ("group", size + 1, 2.0),
        ("subgroup", size + 1, 0.0),
        ("symbol", size, 0.13 * size),
        ("symbolLabel", size, 0.13 * size),
    ):
        entry = SubElement(styles, "style", name=name, alignment="1", indent="0", marginTop=f"{margin:g}")
        if name == "symbolLabel":
            entry.set("marginLeft", "2")
        SubElement(entry, "styleFont", description=_font(points, name == "subgroup"), style="")
    tree = SubElement(item, "layer-tree-group")
    tree.append(tree_layer(content.layer, content.legend))
    return item


def _scale_bar(content: PrintLayout, extent: Extent) -> Element:
    shown = content.width * (extent[2] - extent[0]) / (content.extent[2] - content.extent[0])
    step = _round(shown / 8)
    kilometres = step >= 1000
    item = _item(
        _SCALE_BAR, "scale bar", Box(10, 189, 80, 13), mapUuid=_MAP_ID, style="Single Box",
        unitType="km" if kilometres else "meters", unitLabel="km" if kilometres else "m",
        numMapUnitsPerScaleBarUnit="1", numUnitsPerSegment=f"{step / (1000 if kilometres else 1):g}",
        numSegments="2", numSegmentsLeft="0", numSubdivisions="1", segmentSizeMode="0",
        segmentMillimeters="25", minBarWidth="30", maxBarWidth="90", height="2.2",
        subdivisionsHeight="1.5", labelBarSpace="2", boxContentSpace="1", alignment="0",
        outlineWidth="0.2", lineJoinStyle="miter", lineCapStyle="square",
        labelVerticalPlacement="0", labelHorizontalPlacement="0", zValue="3",
    )  # fmt: skip
    SubElement(
        item, "text-style", fontFamily=_FONT, fontSize="9", fontSizeUnit="Point", fontWeight="50",
        textColor="34,34,34,255", textOpacity="1", multilineHeight="1",
    )  # fmt: skip
    return item


def _round(length: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not longer."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(digit * power for digit in (1, 2, 5) if digit * power <= length)


def _north_arrow() -> Element:
    return _item(
        _PICTURE, "north arrow", Box(195, 187, 12, 14), mapUuid=_MAP_ID, northMode="0", northOffset="0",
        file=":/images/north_arrows/layout_default_north_arrow.svg", mode="2", resizeMode="0",
        anchorPoint="4", pictureRotation="0", pictureWidth="12", pictureHeight="14",
        svgFillColor="34,34,34,255", svgBorderColor="34,34,34,255", svgBorderWidth="0.2", zValue="3",
    )  # fmt: skip


def _font(size: float, bold: bool = False) -> str:
    return f"{_FONT},{size:g},-1,5,{75 if bold else 50},0,0,0,0,0"
