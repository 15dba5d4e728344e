"""`geo_xmodal:export`: a map or a model, handed over to other programs."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputFile,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..algorithm import GeoXmodalAlgorithm

_FORMATS = ["gpkg", "qgis", "stac", "onnx"]


class Export(GeoXmodalAlgorithm):
    """`geo-xmodal export`."""

    command = "export"
    title = "Export a map or a model"
    keywords = "polygons vectorize vectorise GeoPackage STAC ONNX project raster vector"
    help = """Hands a map or a model over to other programs:

gpkg: the map as polygons with class, area and mean probability; small areas can join their neighbours, \
outlines can be straightened without gaps.
qgis: a folder with a project, layers, styles and a print layout, that can be zipped and mailed.
stac: a map or a model as an item for a catalogue.
onnx: a model as a network for other programs, such as QGIS plugins that run models."""

    def initAlgorithm(self, configuration=None):  # noqa: N802 - a name that QGIS calls
        """Parameters as in `geo-xmodal export`."""
        self.add_choice("TO", "Format", _FORMATS, "gpkg")
        self.add(QgsProcessingParameterRasterLayer("MAP", "Land-cover map (gpkg, qgis, stac)", optional=True))
        self.add(
            QgsProcessingParameterFile(
                "MODEL",
                "Model: a folder or name (onnx, stac)",
                behavior=QgsProcessingParameterFile.Folder,
                optional=True,
            )
        )
        self.add_number("MMU", "gpkg: smallest area, hectares", 0.0, 0.0, real=True)
        self.add_number("SIEVE", "gpkg: smallest area, pixels", 0, 0, advanced=True)
        self.add_number(
            "SIMPLIFY", "gpkg: straighten outlines by, metres", 0.0, 0.0, advanced=True, real=True
        )
        self.add(
            QgsProcessingParameterFile(
                "SCENE",
                "qgis: scene whose sensors and labels are added",
                behavior=QgsProcessingParameterFile.Folder,
                optional=True,
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFile(
                "RUN",
                "qgis: run or evaluation that tells the accuracy",
                behavior=QgsProcessingParameterFile.Folder,
                optional=True,
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString("DATE", "stac: when the data were taken", optional=True),
            "A day such as 2024-06-01, or two with a slash between.",
            advanced=True,
        )
        self.add_number("TILE", "onnx: fixed rows and columns, pixels", minimum=1, advanced=True)
        self.add(QgsProcessingParameterFolderDestination("OUTPUT", "Folder"))
        self.addOutput(QgsProcessingOutputFile("FILE", "What was written in it"))
        self.addOutput(QgsProcessingOutputVectorLayer("POLYGONS", "Polygons"))

    def arguments(self, parameters, context):
        """Options of `geo-xmodal export`."""
        to = self.word(parameters, "TO", context)
        map_file = self.raster(parameters, "MAP", context)
        model = self.word(parameters, "MODEL", context)
        folder = self.parameterAsString(parameters, "OUTPUT", context)
        if to == "onnx" and not model:
            raise QgsProcessingException("onnx: choose a model")
        if to in ("gpkg", "qgis") and not map_file:
            raise QgsProcessingException(f"{to}: choose a land-cover map")
        out = {
            "gpkg": Path(folder) / f"{Path(map_file).stem}.gpkg",
            "onnx": Path(folder) / f"{Path(model).name}.onnx",
        }.get(to, folder)
        words = ["--to", to, "--out", out]
        words += self.option("--map", map_file) + self.option("--model", model)
        for name in ("MMU", "SIEVE", "SIMPLIFY", "TILE"):
            words += self.option("--" + name.lower(), self.number(parameters, name, context) or None)
        for name in ("SCENE", "RUN", "DATE"):
            words += self.option("--" + name.lower(), self.word(parameters, name, context))
        return words

    def results(self, result, parameters, context):
        """The folder and the file in it; polygons are loaded."""
        folder = self.parameterAsString(parameters, "OUTPUT", context)
        outputs = {"OUTPUT": folder, "FILE": result.get("project", result["out"])}
        if "polygons" in result:
            outputs["POLYGONS"] = result["out"]
            self.load_also(result["out"], result["layer"], "POLYGONS", context)
        return outputs
