"""`geo_xmodal:simulate`: a scene whose truth is known, or sensors simulated from a real HSI."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..algorithm import GeoXmodalAlgorithm


class Simulate(GeoXmodalAlgorithm):
    """`geo-xmodal simulate`."""

    command = "simulate"
    title = "Simulate a scene"
    keywords = "synthetic spectral response MSI from HSI raster"
    help = """Makes a scene folder to try methods on, whose truth is known: like the berlin benchmark (radar \
and hyperspectral) or houston (multispectral, LiDAR and hyperspectral).

Or simulates a multispectral sensor from a real hyperspectral raster, by its spectral responses (GeoJSON or \
CSV)."""

    def initAlgorithm(self, configuration=None):  # noqa: N802 - a name that QGIS calls
        """Parameters as in `geo-xmodal simulate`."""
        self.add_choice("LIKE", "Benchmark to be like", ["berlin", "houston"], help_text="Empty: berlin")
        self.add_number("ROWS", "Rows of the sensor that maps", minimum=1)
        self.add_number("COLS", "Columns of the sensor that maps", minimum=1)
        self.add_number("SEED", "Seed", minimum=0, help_text="Another seed is another place.")
        self.add(
            QgsProcessingParameterRasterLayer(
                "FROM", "Or: hyperspectral raster to simulate from", optional=True
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFile("SRF", "Spectral responses (GeoJSON or CSV)", optional=True),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString("BANDS", "Bands of the spectral responses", optional=True),
            "Names with commas between; empty for all that the raster covers.",
            advanced=True,
        )
        self.add_number(
            "COARSE", "Also degrade the raster to pixels this many times as large", minimum=2, advanced=True
        )
        self.add(QgsProcessingParameterFolderDestination("OUTPUT", "Scene folder"))
        self.addOutput(QgsProcessingOutputRasterLayer("TARGET", "The sensor that maps"))

    def arguments(self, parameters, context):
        """Options of `geo-xmodal simulate`."""
        words = [self.parameterAsString(parameters, "OUTPUT", context)]
        words += self.option("--from", self.raster(parameters, "FROM", context))
        for name in ("LIKE", "SRF", "BANDS"):
            words += self.option("--" + name.lower(), self.word(parameters, name, context))
        for name in ("ROWS", "COLS", "SEED", "COARSE"):
            words += self.option("--" + name.lower(), self.number(parameters, name, context))
        return words

    def results(self, result, parameters, context):
        """The scene folder, and the target sensor's raster, which is loaded."""
        target = str(Path(result["folder"]) / (result["target"] + ".tif"))
        self.load_also(target, result["target"], "TARGET", context)
        return {"OUTPUT": result["folder"], "TARGET": target}
