"""`geo_xmodal:export`: a map or a model, handed over to other programs."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputFile,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
)

from ..algorithm import GeoXmodalAlgorithm

_OF_MAP = {"gpkg": ".gpkg", "geotiff": "_legend.tif"}
"""How the file of a format ends that is called after the map."""


class Export(GeoXmodalAlgorithm):
    """`geo-xmodal export`."""

    command = "export"
    keywords = "polygons vectorize vectorise GeoPackage STAC ONNX project raster vector"
    help = """gpkg: the map as polygons with class, area and mean probability; small areas can join their \
neighbours, outlines can be straightened without gaps.
geotiff: the map with another legend: classes merged, renamed and coloured.
qgis: a folder with a project, layers, styles and a print layout, that can be zipped and mailed.
stac: a map or a model as an item for a catalogue.
onnx: a model as a network for other programs, such as QGIS plugins that run models."""

    def outputs(self):
        """What was written into the folder."""
        return [
            QgsProcessingOutputFile("FILE", "What was written in it"),
            QgsProcessingOutputVectorLayer("POLYGONS", "Polygons"),
            QgsProcessingOutputRasterLayer("RASTER", "Map with another legend"),
        ]

    def check(self, given):
        """A format needs what it hands over."""
        to = given.text("TO")
        if to == "onnx" and not given.is_given("MODEL"):
            raise QgsProcessingException("onnx: choose a model")
        if to in ("gpkg", "geotiff", "qgis") and not given.is_given("MAP"):
            raise QgsProcessingException(f"{to}: choose a land-cover map")

    def place(self, given):
        """A file in the folder, called after what it is made of."""
        to = given.text("TO")
        if to in _OF_MAP:
            stem = Path(given.text("MAP").partition("|")[0]).stem or "map"
            return Path(given.out) / f"{stem}{_OF_MAP[to]}"
        return Path(given.out) / f"{Path(given.text('MODEL')).name}.onnx" if to == "onnx" else given.out

    def results(self, result, context):
        """The folder and the file in it; polygons and maps are loaded."""
        outputs = {"OUTPUT": self.out, "FILE": result.get("project", result["out"])}
        if "polygons" in result:
            outputs["POLYGONS"] = result["out"]
            self.load_also(result["out"], result["layer"], "POLYGONS", context)
        elif "classes" in result:
            outputs["RASTER"] = result["out"]
            self.load_also(result["out"], Path(result["out"]).stem, "RASTER", context)
        return outputs
