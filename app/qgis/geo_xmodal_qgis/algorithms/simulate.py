"""`geo_xmodal:simulate`: a scene whose truth is known, or sensors simulated from a real HSI."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingOutputRasterLayer

from ..algorithm import GeoXmodalAlgorithm


class Simulate(GeoXmodalAlgorithm):
    """`geo-xmodal simulate`."""

    command = "simulate"
    keywords = "synthetic spectral response MSI from HSI raster"
    help = """Like the berlin benchmark (radar and hyperspectral) or houston (multispectral, LiDAR and \
hyperspectral), to try methods on.

Or simulates a multispectral sensor from a real hyperspectral raster, by its spectral responses (GeoJSON or \
CSV)."""

    def outputs(self):
        """The target sensor."""
        return [QgsProcessingOutputRasterLayer("TARGET", "The target sensor")]

    def results(self, result, context):
        """The scene folder, and the target sensor's raster, which is loaded."""
        target = str(Path(result["folder"]) / (result["target"] + ".tif"))
        self.load_also(target, result["target"], "TARGET", context)
        return {"OUTPUT": result["folder"], "TARGET": target}
