"""`geo_xmodal:compare`: methods side by side, with their controls."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingOutputHtml

from ..algorithm import GeoXmodalAlgorithm


class Compare(GeoXmodalAlgorithm):
    """`geo-xmodal compare`."""

    command = "compare"
    keywords = "methods benchmark gain controls significance"
    help = """Without a choice of methods, all are compared, which takes long."""

    def outputs(self):
        """The report."""
        return [QgsProcessingOutputHtml("REPORT", "Report")]

    def results(self, result, context):
        """The folder and its report."""
        return {"OUTPUT": self.out, "REPORT": str(Path(self.out) / "report.html")}
