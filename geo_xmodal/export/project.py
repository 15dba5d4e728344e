"""A QGIS project (`.qgz`) as plain XML: layers in groups, one CRS, paths relative to the project.

The form is that of QGIS 3.22, which later versions read. Nothing in it runs: no macros, no expressions.
"""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

import numpy as np
import shapely
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from geo_xmodal.mapping import qml
from geo_xmodal.mapping.attribute_table import printable

Extent = tuple[float, float, float, float]
"""West, south, east, north in the project's CRS."""

_SPACE = uuid.UUID("8a0c4b52-6b0e-5f0c-9d1d-3b4d0a1f6c11")
_NEVER = (1980, 1, 1, 0, 0, 0)
"""The time that a zip gives its files; a real one would change the bytes of the same export."""


@dataclass(frozen=True)
class ProjectLayer:
    """One raster of a project.

    Attributes:
        name: What people read.
        file: Path relative to the project, with `/`.
        grid: Where its pixels lie.
        renderer: How it looks.
        visible: Drawn when the project is opened.
        expanded: Its legend is open.
        nodata: A value that means "no data" in place of the file's own.
        about: Metadata that QGIS shows: a text of one paragraph.
    """

    name: str
    file: str
    grid: GeoBox
    renderer: Element
    visible: bool = True
    expanded: bool = True
    nodata: float | None = None
    about: str = ""

    @property
    def id(self) -> str:
        """What the parts of the project call it."""
        return f"layer_{stable_uuid(self.file).hex}"


@dataclass(frozen=True)
class LayerGroup:
    """Layers that belong together, from the top."""

    name: str
    layers: Sequence[ProjectLayer]


@dataclass(frozen=True)
class Project:
    """All that a project holds.

    Attributes:
        title: Shown by QGIS.
        crs: Of the map; None for a pixel grid.
        extent: What is shown first.
        groups: From the top.
        layouts: `Layout` elements.
        abstract: What the map is, in the project's metadata.
    """

    title: str
    crs: CRS | None
    extent: Extent
    groups: Sequence[LayerGroup]
    layouts: Sequence[Element] = field(default=())
    abstract: str = ""

    @property
    def layers(self) -> list[ProjectLayer]:
        """All layers, from the top."""
        return [layer for group in self.groups for layer in group.layers]


def extent_of(grid: GeoBox, margin: float = 0.0) -> Extent:
    """Bounds of a grid, turned or not, with a share of its size more on every side."""
    height, width = grid.shape
    corners = [grid.affine @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
    west, south, east, north = shapely.MultiPoint(corners).bounds
    dx, dy = margin * (east - west), margin * (north - south)
    return west - dx, south - dy, east + dx, north + dy


def stable_uuid(name: str) -> uuid.UUID:
    """The same for the same name, so that the same export has the same bytes."""
    return uuid.uuid5(_SPACE, name)


def plain(text: str) -> str:
    """`text` that QGIS shows as it is: without control characters, and nothing that it would evaluate."""
    lines = [printable(line) for line in text.split("\n")]
    return "\n".join(lines).replace("[%", "[ %")


def write_qgz(project: Project, name: str) -> bytes:
    """The project as the bytes of a `.qgz`, with `<name>.qgs` in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(f"{name}.qgs", _NEVER)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, qml.document(_project(project)))
    return packed.getvalue()


def _project(project: Project) -> Element:
    root = Element("qgis", version=qml.QGIS_VERSION, projectname=plain(project.title))
    SubElement(root, "homePath", path="")
    SubElement(root, "title").text = plain(project.title)
    SubElement(root, "trust", active="0")
    SubElement(root, "projectCrs").append(_spatial_reference(project.crs))
    root.append(layer_tree(project.groups))
    root.append(_canvas(project))
    layers = SubElement(root, "projectlayers")
    for layer in project.layers:
        layers.append(_map_layer(layer))
    order = SubElement(root, "layerorder")
    for layer in project.layers:
        SubElement(order, "layer", id=layer.id)
    root.append(_properties(project.crs))
    metadata = SubElement(root, "projectMetadata")
    SubElement(metadata, "title").text = plain(project.title)
    SubElement(metadata, "abstract").text = plain(project.abstract)
    layouts = SubElement(root, "Layouts")
    for layout in project.layouts:
        layouts.append(layout)
    return root


def layer_tree(groups: Sequence[LayerGroup]) -> Element:
    """The tree of groups and layers, as the layer panel and a layout's legend have it."""
    root = Element("layer-tree-group")
    for group in groups:
        shown = any(layer.visible for layer in group.layers)
        inner = SubElement(
            root, "layer-tree-group", name=plain(group.name), checked=_checked(shown), expanded="1"
        )
        for layer in group.layers:
            inner.append(tree_layer(layer))
    return root


def tree_layer(layer: ProjectLayer, labels: Sequence[str] = ()) -> Element:
    """A layer's place in a tree; with `labels`, these in place of its classes' names, and nothing else."""
    element = Element(
        "layer-tree-layer",
        id=layer.id,
        name=plain(layer.name),
        source=f"./{layer.file}",
        providerKey="gdal",
        checked=_checked(layer.visible),
        expanded="1" if layer.expanded else "0",
        legend_exp="",
    )
    if labels:
        # The entry before the classes says "Band 1: land-cover class (Palette)".
        order = ",".join(str(index + 1) for index in range(len(labels)))
        properties = {"legend/node-order": order}
        properties |= {f"legend/label-{index + 1}": plain(label) for index, label in enumerate(labels)}
        options = SubElement(SubElement(element, "customproperties"), "Option", type="Map")
        for name, value in properties.items():
            SubElement(options, "Option", type="QString", name=name, value=value)
    return element


def _checked(yes: bool) -> str:
    return "Qt::Checked" if yes else "Qt::Unchecked"


def _canvas(project: Project) -> Element:
    canvas = Element("mapcanvas", name="theMapCanvas", annotationsVisible="1")
    SubElement(canvas, "units").text = "meters" if project.crs is None or project.crs.projected else "degrees"
    canvas.append(_extent(project.extent))
    SubElement(canvas, "rotation").text = "0"
    SubElement(canvas, "destinationsrs").append(_spatial_reference(project.crs))
    return canvas


def _map_layer(layer: ProjectLayer) -> Element:
    element = Element("maplayer", type="raster", styleCategories="AllStyleCategories")
    element.append(_extent(extent_of(layer.grid)))
    SubElement(element, "id").text = layer.id
    SubElement(element, "datasource").text = f"./{layer.file}"
    SubElement(element, "layername").text = plain(layer.name)
    SubElement(element, "srs").append(_spatial_reference(layer.grid.crs))
    metadata = SubElement(element, "resourceMetadata")
    SubElement(metadata, "title").text = plain(layer.name)
    SubElement(metadata, "abstract").text = plain(layer.about)
    SubElement(element, "provider").text = "gdal"
    if layer.nodata is not None:
        value = f"{layer.nodata:.17g}"
        ranges = SubElement(SubElement(element, "noData"), "noDataList", bandNo="1", useSrcNoData="1")
        SubElement(ranges, "noDataRange", min=value, max=value)
    qml.add_style(element, layer.renderer)
    return element


def _spatial_reference(crs: CRS | None) -> Element:
    system = Element("spatialrefsys")
    SubElement(system, "wkt").text = "" if crs is None else crs.proj.to_wkt()
    authority = None if crs is None else crs.proj.to_authority()
    SubElement(system, "authid").text = "" if authority is None else ":".join(authority)
    SubElement(system, "description").text = "" if crs is None else plain(crs.proj.name)
    SubElement(system, "geographicflag").text = "true" if crs is not None and crs.geographic else "false"
    return system


def _extent(extent: Extent) -> Element:
    element = Element("extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True):
        SubElement(element, name).text = number(value)
    return element


def number(value: float) -> str:
    """A coordinate, exact."""
    return np.format_float_positional(value, trim="0")


def _properties(crs: CRS | None) -> Element:
    properties = Element("properties")
    _property(properties, "Paths", "Absolute", "bool", "false")
    _property(properties, "SpatialRefSys", "ProjectionsEnabled", "int", "0" if crs is None else "1")
    _property(properties, "Measure", "Ellipsoid", "QString", "NONE" if crs is None else "EPSG:7030")
    units = SubElement(properties, "Measurement")
    for name, value in (("DistanceUnits", "meters"), ("AreaUnits", "ha")):
        SubElement(units, name, type="QString").text = value
    return properties


def _property(properties: Element, group: str, name: str, kind: str, value: str) -> None:
    SubElement(SubElement(properties, group), name, type=kind).text = value
