"""`geo_xmodal:train`: a scene to a run folder with a model."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingOutputFolder, QgsProcessingOutputHtml, QgsProcessingOutputNumber

from ..algorithm import GeoXmodalAlgorithm

METRICS = (("OA", "Overall accuracy"), ("AA", "Average accuracy"), ("KAPPA", "Kappa"))


class Train(GeoXmodalAlgorithm):
    """`geo-xmodal train`."""

    command = "train"
    keywords = "learn deep learning fit model"
    help = """The scene is a folder that Align, Import or Simulate made, or the name of a sample scene \
(berlin, houston). The run folder holds the model, the metrics on the test pixels and a report.

"Controls" also trains twice without the auxiliary sensor, so that its worth is known. The panel "which \
sensor helped" (menu Plugins > geo_xmodal) shows it, and how "auto" chose. Settings are \
KEY=VALUE with spaces between, those that `geo-xmodal methods NAME` lists."""

    def outputs(self):
        """The model, the report and the metrics."""
        return [
            QgsProcessingOutputFolder("MODEL", "Model"),
            QgsProcessingOutputHtml("REPORT", "Report"),
            *(
                QgsProcessingOutputNumber(name, description + " on the test pixels")
                for name, description in METRICS
            ),
        ]

    def results(self, result, context):
        """The run folder, its model, report and metrics."""
        self.provider().trained(self.out)
        return {
            "OUTPUT": self.out,
            "MODEL": str(Path(self.out) / "model"),
            "REPORT": str(Path(self.out) / "report.html"),
            **{name: result[name.lower()] for name, _ in METRICS},
        }
