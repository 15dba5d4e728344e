"""`geo_xmodal:map`: a model and a raster to a land-cover map."""

from __future__ import annotations

from qgis.core import QgsProcessingException, QgsProcessingOutputRasterLayer

from ..algorithm import GeoXmodalAlgorithm

_LAYERS = {
    "probability": "Probability of the class",
    "entropy": "Entropy",
    "class_probabilities": "Probabilities of the classes",
}


class Map(GeoXmodalAlgorithm):
    """`geo-xmodal map`."""

    command = "map"
    keywords = "predict inference segmentation SAR radar raster map"
    help = """The input is one raster of the sensor, bands and pixel size that the model was trained on, or \
several tiles of it; any size, any place. Pixels without data stay without a class. The map is a \
cloud-optimised GeoTIFF with class names and colours; it is loaded with them.

A map that was stopped goes on with "Resume", if everything else is the same."""

    def outputs(self):
        """Layers beside the map."""
        return [
            QgsProcessingOutputRasterLayer(f"{name.upper()}_OUTPUT", f"{label}, percent")
            for name, label in _LAYERS.items()
        ]

    def check(self, given):
        """Either a raster or a scene is mapped."""
        if given.is_given("INPUT") == given.is_given("SCENE"):
            raise QgsProcessingException("what is to be mapped? Choose either a raster or a scene")

    def results(self, result, context):
        """The map, and the layers that were asked for."""
        outputs = {"OUTPUT": result["map"]}
        self.style(result["map"], context)
        for name, label in _LAYERS.items():
            if result[name]:
                outputs[f"{name.upper()}_OUTPUT"] = result[name]
                if context.willLoadLayerOnCompletion(result["map"]):
                    self.load_also(result[name], label, f"{name.upper()}_OUTPUT", context)
        return outputs
