"""`geo_xmodal:evaluate`: a map against reference labels."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingOutputHtml, QgsProcessingOutputNumber

from ..algorithm import GeoXmodalAlgorithm
from .train import METRICS


class Evaluate(GeoXmodalAlgorithm):
    """`geo-xmodal evaluate`."""

    command = "evaluate"
    keywords = "accuracy assessment confusion matrix kappa area raster"
    help = """Overall and average accuracy, kappa and the confusion matrix, with a report.

The reference is a raster of class ids, or polygons with a column of class names or ids, in any CRS."""

    def outputs(self):
        """The report and the metrics."""
        numbers = [QgsProcessingOutputNumber(name, description) for name, description in METRICS]
        return [QgsProcessingOutputHtml("REPORT", "Report"), *numbers]

    def results(self, result, context):
        """The report and the metrics."""
        numbers = {name: result[name.lower()] for name, _ in METRICS}
        return {"OUTPUT": self.out, "REPORT": str(Path(self.out) / "report.html"), **numbers}
