"""`geo_xmodal:evaluate`: a map against reference labels."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..algorithm import GeoXmodalAlgorithm
from .train import METRICS


class Evaluate(GeoXmodalAlgorithm):
    """`geo-xmodal evaluate`."""

    command = "evaluate"
    title = "Evaluate a map"
    keywords = "accuracy assessment confusion matrix kappa area raster"
    help = """Measures a map of "Map land cover" against reference labels: overall and average accuracy, \
kappa, confusion matrix, with a report.

The reference is a raster of class ids, or polygons with a column of class names or ids, in any CRS.

"Random sample" says that the reference is a random sample stratified by the map's classes: then areas and \
accuracies are estimated, with intervals."""

    def initAlgorithm(self, configuration=None):  # noqa: N802 - a name that QGIS calls
        """Parameters as in `geo-xmodal evaluate`."""
        self.add(QgsProcessingParameterRasterLayer("MAP", "Land-cover map"))
        self.add_labels("REFERENCE", "Reference labels", optional=False)
        self.add(QgsProcessingParameterBoolean("SAMPLED", "Random sample, stratified by the map", False))
        self.add(
            QgsProcessingParameterFile("CLASSES", "Class list (TOML)", extension="toml", optional=True),
            "A file with [[classes]] that names the values of a map of another program.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString("UNLABELLED", "Values that mean unlabelled", optional=True),
            "Separated by commas, in place of 0 and negative numbers; nodata: only what has no value, so "
            "that 0 is a class.",
            advanced=True,
        )
        self.add(QgsProcessingParameterFolderDestination("OUTPUT", "Folder for metrics and report"))
        self.addOutput(QgsProcessingOutputHtml("REPORT", "Report"))
        for name, description in METRICS:
            self.addOutput(QgsProcessingOutputNumber(name, description))

    def arguments(self, parameters, context):
        """Options of `geo-xmodal evaluate`."""
        labels = self.labels(parameters, "REFERENCE", context)
        words = ["--map", self.raster(parameters, "MAP", context), "--reference", labels]
        words += ["--out", self.parameterAsString(parameters, "OUTPUT", context)]
        words += self.option("--classes", self.word(parameters, "CLASSES", context))
        words += self.option("--unlabelled", self.word(parameters, "UNLABELLED", context))
        return words + ["--sampled"] * self.parameterAsBool(parameters, "SAMPLED", context)

    def results(self, result, parameters, context):
        """The report and the metrics."""
        folder = self.parameterAsString(parameters, "OUTPUT", context)
        numbers = {name: result[name.lower()] for name, _ in METRICS}
        return {"OUTPUT": folder, "REPORT": str(Path(folder) / "report.html"), **numbers}
