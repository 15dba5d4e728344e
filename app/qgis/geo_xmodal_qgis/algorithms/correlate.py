"""`geo_xmodal:correlate`: how much one sensor tells about another, before any training."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingOutputFile, QgsProcessingOutputNumber

from ..algorithm import GeoXmodalAlgorithm


class Correlate(GeoXmodalAlgorithm):
    """`geo-xmodal correlate`."""

    command = "correlate"
    keywords = "dependence maximal correlation CCA HGR sensors"
    help = """Give a scene and two of its sensors, such as "hsi sar"; or two .npy files of samples."""

    def outputs(self):
        """The estimate and its figure."""
        return [
            QgsProcessingOutputNumber("ESTIMATE", "Held-out estimate of the correlation"),
            QgsProcessingOutputFile("FIGURE", "Figure"),
        ]

    def results(self, result, context):
        """The estimate and its figure."""
        figure = str(Path(self.out) / "correlation.png")
        return {"OUTPUT": self.out, "ESTIMATE": result["estimate"], "FIGURE": figure}
