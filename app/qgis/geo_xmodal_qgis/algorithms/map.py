"""`geo_xmodal:map`: a model and a raster to a land-cover map."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingException,
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorLayer,
)

from ..algorithm import SCALES, GeoXmodalAlgorithm


class Map(GeoXmodalAlgorithm):
    """`geo-xmodal map`."""

    command = "map"
    title = "Map land cover"
    keywords = "predict inference segmentation SAR radar raster map"
    help = """Maps land cover with a trained model, from the sensor that it was made for alone.

The input is a GeoTIFF of the same sensor, bands and pixel size as the model was trained on; any size, any \
place. Pixels without data stay without a class. The map is a cloud-optimised GeoTIFF with class names and \
colours; it is loaded with them.

A map that was stopped goes on with "Resume", if everything else is the same."""

    def initAlgorithm(self, configuration=None):  # noqa: N802 - a name that QGIS calls
        """Parameters as in `geo-xmodal map`."""
        self.add(
            QgsProcessingParameterRasterLayer("INPUT", "Raster to map", optional=True),
            "A GeoTIFF of the sensor that the model maps from. Leave it empty to map a scene.",
        )
        self.add(
            QgsProcessingParameterFile(
                "MODEL",
                "Model: a run folder, a model folder, or the name of a shipped model",
                behavior=QgsProcessingParameterFile.Folder,
                defaultValue="berlin-sar-hgr",
            ),
            "What Train wrote, or a name that `geo-xmodal models` lists.",
        )
        self.add(
            QgsProcessingParameterVectorLayer(
                "AREA", "Map only within these polygons", [QgsProcessing.TypeVectorPolygon], optional=True
            ),
            "A layer of a GeoPackage or GeoJSON, of any CRS. Pixels whose centre lies outside stay without a "
            "class.",
        )
        self.add(
            QgsProcessingParameterBoolean("PROBABILITY", "Also write the probability of the class", False)
        )
        self.add_shares("Empty: what the model's card says")
        self.add(
            QgsProcessingParameterFile(
                "SCENE",
                "Scene to map in place of a raster: folder or name",
                behavior=QgsProcessingParameterFile.Folder,
                optional=True,
            ),
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString("BANDS", "Bands of the raster, in the model's order", optional=True),
            "Numbers from 1 up with commas between, such as 1,2; empty for all.",
            advanced=True,
        )
        self.add_choice(
            "SCALE", "How a radar raster holds power", SCALES, help_text="Empty: linear", advanced=True
        )
        self.add(
            QgsProcessingParameterBoolean("ANY_VALUES", "Map values outside of the model's ranges", False),
            "A raster whose values are not those that the model was trained on is refused otherwise.",
            advanced=True,
        )
        self.add_number("WINDOW", "Side of a window, in pixels", 512, 1, advanced=True)
        self.add_number("WORKERS", "Processes", 1, 1, advanced=True)
        self.add(
            QgsProcessingParameterString("SCHEDULER", "Address of a Dask cluster", optional=True),
            advanced=True,
        )
        self.add_choice(
            "ENGINE",
            "What runs the network",
            ["openvino", "torch"],
            help_text="Empty: openvino where it is installed",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterBoolean("RESUME", "Resume a map that was stopped", False), advanced=True
        )
        self.add(QgsProcessingParameterRasterDestination("OUTPUT", "Land-cover map"))
        self.addOutput(
            QgsProcessingOutputRasterLayer("PROBABILITY_OUTPUT", "Probability of the class, percent")
        )

    def arguments(self, parameters, context):
        """Options of `geo-xmodal map`."""
        file = self.raster(parameters, "INPUT", context)
        scene = self.word(parameters, "SCENE", context)
        if bool(file) == bool(scene):
            raise QgsProcessingException("what is to be mapped? Choose either a raster or a scene")
        model = self.word(parameters, "MODEL", context)
        words = ["--model", model, "--out", self.parameterAsOutputLayer(parameters, "OUTPUT", context)]
        words += self.option("--input", file) + self.option("--scene", scene)
        words += self.option("--area", self.area(parameters, "AREA", context))
        words += self.option("--bands", self.word(parameters, "BANDS", context))
        words += self.option("--scale", self.word(parameters, "SCALE", context))
        words += self.shares(parameters, context)
        words += ["--any-values"] * self.parameterAsBool(parameters, "ANY_VALUES", context)
        words += ["--window", self.number(parameters, "WINDOW", context)]
        words += ["--workers", self.number(parameters, "WORKERS", context)]
        words += self.option("--scheduler", self.word(parameters, "SCHEDULER", context))
        words += self.option("--engine", self.word(parameters, "ENGINE", context))
        words += ["--probability"] * self.parameterAsBool(parameters, "PROBABILITY", context)
        words += ["--resume"] * self.parameterAsBool(parameters, "RESUME", context)
        return words

    def results(self, result, parameters, context):
        """The map, and the probability if there is one."""
        outputs = {"OUTPUT": result["map"]}
        self.style(result["map"], context)
        if result["probability"]:
            outputs["PROBABILITY_OUTPUT"] = result["probability"]
            if context.willLoadLayerOnCompletion(result["map"]):
                self.load_also(
                    result["probability"], "Probability of the class", "PROBABILITY_OUTPUT", context
                )
        return outputs
