"""`geo_xmodal:align`: rasters of any CRS and resolution to a scene folder on one grid."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..algorithm import KINDS, SCALES, GeoXmodalAlgorithm

_SENSORS = (
    ("HSI", "Hyperspectral rasters"),
    ("MSI", "Multispectral rasters"),
    ("SAR", "Radar rasters"),
    ("LIDAR", "LiDAR rasters"),
    ("THERMAL", "Thermal rasters"),
    ("DEM", "Elevation rasters"),
    ("EMBEDDING", "Embedding rasters"),
    ("OTHER", "Other rasters"),
)

_LABELS = (
    ("LABELS", "Labels, to be split into training and test", "--labels"),
    ("TRAIN_LABELS", "Labels for training", "--train-labels"),
    ("TEST_LABELS", "Labels for test", "--test-labels"),
)


class Align(GeoXmodalAlgorithm):
    """`geo-xmodal align`."""

    command = "align"
    title = "Align sensors to a scene"
    keywords = "warp reproject resample coregister raster"
    help = """Puts rasters of any CRS and resolution together on the grid of one of them, as a scene folder \
that Train takes. The scene refers to the files where they are, unless copies are asked for.

The reference is the sensor to map from. At least one other sensor is needed beside it; it may cover only a \
part. Labels are a raster of class ids, or polygons with a column of class names or ids: one layer that is \
split into training and test, or two."""

    def initAlgorithm(self, configuration=None):  # noqa: N802 - a name that QGIS calls
        """Parameters as in `geo-xmodal align`."""
        self.add(
            QgsProcessingParameterRasterLayer("REFERENCE", "Reference: the sensor to map from"),
            "The scene gets its grid.",
        )
        self.add_choice(
            "TARGET_KIND", "What the reference measures", KINDS, help_text="Empty: what its name says"
        )
        for name, description in _SENSORS:
            self.add(
                QgsProcessingParameterMultipleLayers(
                    name, description, layerType=QgsProcessing.TypeRaster, optional=True
                )
            )
        for name, description, _ in _LABELS:
            self.add_labels(name, description)
        self.add(
            QgsProcessingParameterFile("CLASSES", "Class list (TOML)", extension="toml", optional=True),
            "A file with [[classes]], such as another scene.toml.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterString("UNLABELLED", "Values that mean unlabelled", optional=True),
            "Separated by commas, in place of 0 and negative numbers; nodata: only what has no value, so "
            "that 0 is a class.",
            advanced=True,
        )
        self.add_choice(
            "SCALE", "How radar rasters hold power", SCALES, help_text="Empty: linear", advanced=True
        )
        self.add(
            QgsProcessingParameterBoolean("COPY", "Write resampled copies into the scene folder", False),
            "Without them the scene refers to the files where they are: temporary layers need copies.",
            advanced=True,
        )
        self.add(QgsProcessingParameterString("NAME", "Name of the scene", optional=True), advanced=True)
        self.add(QgsProcessingParameterFolderDestination("OUTPUT", "Scene folder"))

    def arguments(self, parameters, context):
        """Options of `geo-xmodal align`."""
        reference = self.raster(parameters, "REFERENCE", context)
        words = [self.parameterAsString(parameters, "OUTPUT", context), "--reference", reference]
        words += self.option("--target-kind", self.word(parameters, "TARGET_KIND", context))
        others = []
        for name, _ in _SENSORS:
            for file in self.rasters(parameters, name, context):
                others += ["--" + name.lower(), file]
        if not others:
            raise QgsProcessingException("nothing to align: choose another sensor beside the reference")
        for name, _, option in _LABELS:
            words += self.option(option, self.labels(parameters, name, context))
        words += self.option("--classes", self.word(parameters, "CLASSES", context))
        words += self.option("--unlabelled", self.word(parameters, "UNLABELLED", context))
        words += self.option("--scale", self.word(parameters, "SCALE", context))
        words += ["--copy"] if self.parameterAsBool(parameters, "COPY", context) else []
        return words + others + self.option("--name", self.word(parameters, "NAME", context))

    def results(self, result, parameters, context):
        """The scene folder."""
        return {"OUTPUT": result["folder"]}
