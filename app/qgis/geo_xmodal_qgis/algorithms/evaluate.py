"""`geo_xmodal:evaluate`: a map against reference labels."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterRasterLayer,
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
        self.add(QgsProcessingParameterFolderDestination("OUTPUT", "Folder for metrics and report"))
        self.addOutput(QgsProcessingOutputHtml("REPORT", "Report"))
        for name, description in METRICS:
            self.addOutput(QgsProcessingOutputNumber(name, description))

    def arguments(self, parameters, context):
        """Options of `geo-xmodal evaluate`."""
        labels, layer = self.labels(parameters, "REFERENCE", context)
        words = ["--map", self.raster(parameters, "MAP", context), "--reference", labels]
        words += ["--out", self.parameterAsString(parameters, "OUTPUT", context)]
        words += self.option("--layer", layer)
        return words + ["--sampled"] * self.parameterAsBool(parameters, "SAMPLED", context)

    def results(self, result, parameters, context):
        """The report and the metrics."""
        folder = self.parameterAsString(parameters, "OUTPUT", context)
        numbers = {name: result[name.lower()] for name, _ in METRICS}
        return {"OUTPUT": folder, "REPORT": str(Path(folder) / "report.html"), **numbers}
