"""`geo_xmodal:align`: rasters of any CRS and resolution to a scene folder on one grid."""

from __future__ import annotations

from qgis.core import QgsProcessingException

from ..algorithm import GeoXmodalAlgorithm
from ..description import options
from ..parameters import parameter_name


class Align(GeoXmodalAlgorithm):
    """`geo-xmodal align`."""

    command = "align"
    keywords = "warp reproject resample coregister raster"
    help = """The reference is the sensor to map from; the scene gets its grid. At least one other sensor is \
needed beside it; it may cover only a part. The scene refers to the files where they are, unless copies are \
asked for, or layers had to be copied.

Labels are a raster of class ids, or polygons with a column of class names or ids: one layer that is split \
into training and test, or two."""

    def check(self, given):
        """There must be two sensors."""
        others = [one for one in options(self.command) if one["takes"] == "sensor files" and one["many"]]
        if not any(given.is_given(parameter_name(one)) for one in others):
            raise QgsProcessingException("nothing to align: choose another sensor beside the reference")

    def more_arguments(self, files):
        """A scene must not refer to copies that QGIS removes when it ends."""
        return ["--copy"] if files.copied else []

    def results(self, result, context):
        """The scene folder."""
        return {"OUTPUT": result["folder"]}
