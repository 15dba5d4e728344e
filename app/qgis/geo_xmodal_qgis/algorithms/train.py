"""`geo_xmodal:train`: a scene to a run folder with a model."""

from __future__ import annotations

import shlex
from pathlib import Path

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputFolder,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterString,
)

from ..algorithm import GeoXmodalAlgorithm

METRICS = (("OA", "Overall accuracy"), ("AA", "Average accuracy"), ("KAPPA", "Kappa"))


class Train(GeoXmodalAlgorithm):
    """`geo-xmodal train`."""

    command = "train"
    title = "Train a model"
    keywords = "learn deep learning fit model"
    help = """Trains on the pixels where both sensors are, and on labels and unlabelled pixels of the sensor \
that maps; what comes out maps with that one sensor.

The scene is a folder that Align or Simulate made, or the name of a sample scene (berlin, houston). The run \
folder holds the model, the metrics on the test pixels and a report.

"Train controls" also trains twice without the second sensor, so that its worth is known. Settings are those \
that `geo-xmodal methods NAME` lists."""

    def initAlgorithm(self, configuration=None):  # noqa: N802 - a name that QGIS calls
        """Parameters as in `geo-xmodal train`."""
        self.add(
            QgsProcessingParameterFile(
                "SCENE",
                "Scene: a folder, or the name of a sample scene",
                behavior=QgsProcessingParameterFile.Folder,
                defaultValue="berlin",
            )
        )
        self.add(
            QgsProcessingParameterString("METHOD", "Method", "auto"),
            "How to learn: a name that `geo-xmodal methods` lists, such as hgr, x_modalnet, cca, svm.",
        )
        self.add_number("EPOCHS", "Epochs", minimum=1, help_text="Empty: the method's own number.")
        self.add(QgsProcessingParameterString("TARGET", "Sensor to map from", optional=True), advanced=True)
        self.add_number("SEED", "First seed", 0, 0, advanced=True)
        self.add_number("SEEDS", "Number of seeds", 1, 1, advanced=True)
        self.add(QgsProcessingParameterBoolean("CONTROL", "Train controls", False), advanced=True)
        self.add_shares("Empty: equal where labels were drawn class by class, else labels")
        self.add(
            QgsProcessingParameterString("SETTINGS", "Settings of the method", optional=True),
            "KEY=VALUE, several with spaces between.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean("RESUME", "Resume a run that was stopped", False), advanced=True
        )
        self.add(QgsProcessingParameterFolderDestination("OUTPUT", "Run folder"))
        self.addOutput(QgsProcessingOutputFolder("MODEL", "Model"))
        self.addOutput(QgsProcessingOutputHtml("REPORT", "Report"))
        for name, description in METRICS:
            self.addOutput(QgsProcessingOutputNumber(name, description + " on the test pixels"))

    def arguments(self, parameters, context):
        """Options of `geo-xmodal train`."""
        words = ["--scene", self.word(parameters, "SCENE", context)]
        words += ["--method", self.word(parameters, "METHOD", context)]
        words += ["--out", self.parameterAsString(parameters, "OUTPUT", context)]
        words += self.option("--target", self.word(parameters, "TARGET", context))
        for option in ("epochs", "seed", "seeds"):
            words += self.option("--" + option, self.number(parameters, option.upper(), context))
        words += ["--control"] * self.parameterAsBool(parameters, "CONTROL", context)
        words += self.shares(parameters, context)
        words += ["--resume"] * self.parameterAsBool(parameters, "RESUME", context)
        try:
            settings = shlex.split(self.word(parameters, "SETTINGS", context))
        except ValueError as error:
            raise QgsProcessingException(f"settings: {error}: give KEY=VALUE KEY=VALUE") from None
        for setting in settings:
            words += ["--set", setting]
        return words

    def results(self, result, parameters, context):
        """The run folder, its model, report and metrics."""
        folder = self.parameterAsString(parameters, "OUTPUT", context)
        numbers = {name: result[name.lower()] for name, _ in METRICS}
        return {
            "OUTPUT": folder,
            "MODEL": str(Path(folder) / "model"),
            "REPORT": str(Path(folder) / "report.html"),
            **numbers,
        }
