"""What QGIS makes of a file: run with the system's Python, which has PyQGIS; prints JSON.

    python3 look.py FILE REQUEST      FILE: a project (.qgz), a raster or a GeoPackage; REQUEST: JSON

The request may hold `png` and `side` (render the project's visible layers, or the raster, to a picture),
`points` (map coordinates whose colours in that picture are asked for), `extent` and `background` (of the
picture), `pdf` and `page` (print the first layout).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsLayoutExporter,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
    QgsRasterBandStats,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def described(layer):
    extent = layer.extent()
    told = {
        "name": layer.name(),
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "extent": [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()],
        "source": layer.source(),
        "abstract": layer.metadata().abstract(),
    }
    if isinstance(layer, QgsVectorLayer):
        fields = [field.name() for field in layer.fields()]
        renderer = layer.renderer()
        told |= {"fields": fields, "features": layer.featureCount(), "renderer": renderer.type()}
        if renderer.type() == "categorizedSymbol":
            told["classes"] = [
                [one.value(), one.label(), one.symbol().color().name()] for one in renderer.categories()
            ]
        return told
    renderer = layer.renderer()
    told["renderer"] = renderer.type()
    if renderer.type() == "paletted":
        told["classes"] = [[one.value, one.label, one.color.name()] for one in renderer.classes()]
    if renderer.type() == "singlebandpseudocolor":
        ramp = renderer.shader().rasterShaderFunction()
        told["ramp"] = [[item.value, item.color.name()] for item in ramp.colorRampItemList()]
    if renderer.type() == "multibandcolor":
        told["bands"] = [renderer.redBand(), renderer.greenBand(), renderer.blueBand()]
    provider = layer.dataProvider()
    told["nodata"] = provider.sourceNoDataValue(1) if provider.sourceHasNoDataValue(1) else None
    told["user_nodata"] = [one.min() for one in provider.userNoDataValues(1)]
    stats = provider.bandStatistics(1, QgsRasterBandStats.All)
    told["statistics"] = [stats.minimumValue, stats.maximumValue, stats.mean]
    told["gdal_classes"] = [[item.value, item.label] for item in provider.colorTable(1) if item.label]
    return told


def tree(group):
    return [
        {"group": child.name(), "layers": tree(child), "visible": child.isVisible()}
        if hasattr(child, "addGroup")
        else {"layer": child.name(), "visible": child.isVisible(), "found": child.layer() is not None}
        for child in group.children()
    ]


def picture(layers, crs, extent, request):
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(crs)
    settings.setBackgroundColor(QColor(request.get("background", "#fe00fe")))
    settings.setFlag(QgsMapSettings.Antialiasing, False)
    settings.setOutputSize(QSize(request["side"], request["side"]))
    settings.setExtent(QgsRectangle(*request["extent"]) if "extent" in request else extent)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(request["png"])
    place = settings.mapToPixel()
    colors = []
    for x, y in request.get("points", []):
        spot = place.transform(QgsPointXY(x, y))
        colors.append(QColor(image.pixel(int(spot.x()), int(spot.y()))).name())
    return {"colors": colors, "warnings": [error.message for error in job.errors()]}


def project(file, request):
    opened = QgsProject.instance()
    told = {"read": opened.read(file), "title": opened.title(), "crs": opened.crs().authid()}
    root = opened.layerTreeRoot()
    told["tree"] = tree(root)
    told["layers"] = [described(layer) for layer in root.layerOrder()]
    told["absolute_paths"] = opened.readBoolEntry("Paths", "/Absolute")[0]
    told["abstract"] = opened.metadata().abstract()
    if "png" in request:
        visible = root.checkedLayers()
        told["picture"] = picture(visible, opened.crs(), visible[0].extent(), request)
    layouts = opened.layoutManager().printLayouts()
    told["layouts"] = [layout.name() for layout in layouts]
    if layouts:
        items = [item for item in layouts[0].items() if hasattr(item, "displayName")]
        told["items"] = sorted({item.id() for item in items if item.id()})
        told["texts"] = {item.id(): item.currentText() for item in items if hasattr(item, "currentText")}
        told["pages"] = layouts[0].pageCollection().pageCount()
        told["map_layers"] = [one.name() for one in layouts[0].referenceMap().layers()]
    exporter = QgsLayoutExporter(layouts[0]) if layouts else None
    if "pdf" in request:
        told["pdf"] = exporter.exportToPdf(request["pdf"], QgsLayoutExporter.PdfExportSettings())
    if "page" in request:
        settings = QgsLayoutExporter.ImageExportSettings()
        settings.dpi = request.get("dpi", 100)
        told["page"] = exporter.exportToImage(request["page"], settings)
    return told


def single(file, request):
    if file.endswith(".gpkg"):
        return described(QgsVectorLayer(file, Path(file).stem, "ogr"))
    layer = QgsRasterLayer(file, Path(file).stem)
    told = described(layer)
    if "png" in request:
        told["picture"] = picture([layer], layer.crs(), layer.extent(), request)
    return told


def main(file, request):
    application = QgsApplication([], False)
    application.initQgis()
    told = project(file, request) if file.endswith(".qgz") else single(file, request)
    print("JSON" + json.dumps(told))
    sys.stdout.flush()
    os._exit(0)  # PyQGIS likes to crash when its objects are taken apart


main(sys.argv[1], json.loads(sys.argv[2]))
