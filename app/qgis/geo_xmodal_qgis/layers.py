"""Layers as files that the command can read: the layer's own file, or else a copy on this computer."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from osgeo import gdal
from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeatureSink,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterFileWriter,
    QgsRasterLayer,
    QgsRasterPipe,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_VECTORS = (".gpkg", ".geojson", ".json")
_MAX_SHARE = 0.9
"""Of the free disk that a copy may take."""
MAX_SERVICE_PIXELS = 25_000_000
"""Of a copy of a service: nobody's server should be asked for a country at the scale of houses."""


class Files:
    """Files of layers for one run.

    Attributes:
        copied: What was copied, a line each: the user should know that the command reads something else.
    """

    def __init__(self, context, feedback):
        self._context = context
        self._feedback = feedback
        self.copied = []

    def raster(self, layer, what, others):
        """A GeoTIFF with the values of a raster layer.

        Args:
            layer: The layer.
            what: The parameter's name in messages.
            others: Gives the layers of the run: a service of images is copied where they lie.

        Raises:
            QgsProcessingException: It cannot be copied, or nobody knows where it lies.
        """
        if not layer.crs().isValid():
            raise _refused(
                layer,
                what,
                "has no coordinate reference system, so nobody knows where it lies: set it with Layer > Set "
                "CRS of Layer(s)..., or write it into the file with Raster > Projections > Assign "
                "Projection...",
            )
        path = _parts(layer).get("path") or ""
        own = layer.dataProvider().crs()
        if layer.providerType() == "gdal" and _is_tiff(path) and own.isValid() and own == layer.crs():
            return path
        is_service = layer.providerType() != "gdal" and not (layer.width() and layer.height())
        if is_service:
            extent, columns, rows = self._part_of_service(layer, what, list(others()))
        else:
            extent, columns, rows = layer.extent(), layer.width(), layer.height()
        self._check_room(layer, columns * rows, what)
        out = self._place(layer, ".tif")
        if layer.providerType() == "gdal":
            self._translate(layer, out, what)
        else:
            self._write_raster(layer, out, (extent, columns, rows), what)
        return out

    def vector(self, layer, value, what):
        """`FILE` or `FILE:LAYER` of the features that a parameter means.

        Args:
            layer: The layer.
            value: The parameter's value, which may say that only some features are meant.
            what: The parameter's name in messages.

        Raises:
            QgsProcessingException: They cannot be copied, or nobody knows where they lie.
        """
        if not layer.crs().isValid():
            raise _refused(layer, what, "has no coordinate reference system: set the one that it is in")
        some = isinstance(value, QgsProcessingFeatureSourceDefinition) and (
            value.selectedFeaturesOnly or value.featureLimit > 0 or getattr(value, "filterExpression", "")
        )
        parts = _parts(layer)
        path = parts.get("path") or ""
        whole = not (some or layer.subsetString() or layer.isModified())
        if (
            whole
            and layer.providerType() == "ogr"
            and Path(path).is_file()
            and path.lower().endswith(_VECTORS)
        ):
            return ":".join(filter(None, (path, parts.get("layerName"))))
        return self._write_features(layer, value, what)

    def labels(self, layer, value, column, what):
        """`FILE:COLUMN` or `FILE:LAYER:COLUMN` of features.

        Raises:
            QgsProcessingException: The column is not said, or as `vector`.
        """
        if not column:
            columns = ", ".join(layer.fields().names())
            raise _refused(layer, what, f"has the classes in one of its columns: choose which ({columns})")
        return f"{self.vector(layer, value, what)}:{column}"

    def _place(self, layer, suffix):
        name = "".join(letter if letter.isalnum() else "_" for letter in layer.name()) or "layer"
        out = QgsProcessingUtils.generateTempFilename(name + suffix)
        self.copied.append(f"layer '{layer.name()}' is copied to {out} for the command")
        return out

    def _part_of_service(self, layer, what, others):
        """Extent, columns and rows of the copy of what has no rows and columns of its own."""
        grids = [one for one in others if isinstance(one, QgsRasterLayer) and one.width() and one.height()]
        grid = grids[0] if grids else None
        drawn = [one for one in others if isinstance(one, QgsVectorLayer)]
        extent, inside = layer.extent(), None
        for around in (grids or drawn)[:1]:
            way = QgsCoordinateTransform(around.crs(), layer.crs(), self._context.transformContext())
            try:
                inside = way.transformBoundingBox(around.extent())
            except QgsCsException:
                raise _refused(
                    layer, what, f"cannot be copied where layer '{around.name()}' lies: choose a file"
                ) from None
            extent = inside if extent.isEmpty() else extent.intersect(inside)
        if extent.isEmpty() or not extent.isFinite():
            raise _refused(
                layer, what, "says no extent, or lies elsewhere than the other layers: choose a file"
            )
        sizes = layer.dataProvider().nativeResolutions()
        if grid is None and not sizes:
            raise _refused(
                layer,
                what,
                f"has no pixel size of its own ({_origin(layer)}): save the part that matters with Export > "
                "Save As..., and choose that file",
            )
        size = min(sizes) if grid is None else inside.width() / grid.width()
        columns, rows = math.ceil(extent.width() / size), math.ceil(extent.height() / size)
        if columns * rows > MAX_SERVICE_PIXELS:
            raise _refused(
                layer,
                what,
                f"is a service: a copy would have {columns} x {rows} pixels of {size:g}, expected at most "
                f"{MAX_SERVICE_PIXELS / 1e6:g} million: choose polygons to map within, or save the part "
                "that matters with Export > Save As..., and choose that file",
            )
        self._feedback.pushWarning(
            f"{what}: layer '{layer.name()}' is a service of images: its colours from 0 to 255 are taken for "
            f"the values of a sensor, {columns} x {rows} pixels of {size:g}"
        )
        return extent, columns, rows

    def _check_room(self, layer, pixels, what):
        provider = layer.dataProvider()
        sizes = [provider.dataTypeSize(band) for band in range(1, layer.bandCount() + 1)]
        needed = pixels * sum(max(size, 1) for size in sizes)
        free = shutil.disk_usage(QgsProcessingUtils.tempFolder()).free
        if needed > _MAX_SHARE * free:
            raise _refused(
                layer,
                what,
                f"must be copied, which takes up to {needed / 1e9:.1f} GB where {free / 1e9:.1f} GB "
                f"are free: "
                "save the part that matters as GeoTIFF, and choose that file",
            )

    def _translate(self, layer, out, what):
        """Keep values, no data, scales and names of bands; the CRS is the layer's."""

        def progress(done, message, data):
            self._feedback.setProgress(100.0 * done)
            return 0 if self._feedback.isCanceled() else 1

        source = gdal.Open(layer.source())
        options = ["COMPRESS=DEFLATE", "TILED=YES", "BIGTIFF=IF_SAFER"]
        made = source and gdal.Translate(
            out,
            source,
            format="GTiff",
            creationOptions=options,
            outputSRS=layer.crs().toWkt(),
            callback=progress,
        )
        if not made:
            raise _refused(layer, what, f"cannot be copied ({gdal.GetLastErrorMsg() or 'it was stopped'})")
        del made

    def _write_raster(self, layer, out, part, what):
        extent, columns, rows = part
        pipe = QgsRasterPipe()
        pipe.set(layer.dataProvider().clone())
        failed = QgsRasterFileWriter(out).writeRaster(
            pipe, columns, rows, extent, layer.crs(), self._context.transformContext(), None
        )
        if failed:
            raise _refused(layer, what, f"cannot be copied ({_origin(layer)})")

    def _write_features(self, layer, value, what):
        source = QgsProcessingUtils.variantToSource(value, self._context) if _is_definition(value) else layer
        if source is None:
            raise _refused(layer, what, "cannot be read")
        out = self._place(layer, ".gpkg")
        options = QgsVectorFileWriter.SaveVectorOptions()
        options.driverName = "GPKG"
        options.layerName = "features"
        sink = QgsVectorFileWriter.create(
            out,
            source.fields(),
            source.wkbType(),
            layer.crs(),
            self._context.transformContext(),
            options,
        )
        count = 0
        for feature in source.getFeatures():
            feature.setId(-1)
            if not sink.addFeature(feature, QgsFeatureSink.FastInsert):
                raise _refused(layer, what, f"cannot be copied ({sink.errorMessage()})")
            count += 1
        error = sink.errorMessage()
        del sink
        if error:
            raise _refused(layer, what, f"cannot be copied ({error})")
        if not count:
            raise _refused(layer, what, "has no features that are meant: select some, or change the filter")
        return f"{out}:features"


def _is_definition(value):
    return isinstance(value, QgsProcessingFeatureSourceDefinition)


def _refused(layer, what, problem):
    return QgsProcessingException(f"{what}: layer '{layer.name()}' {problem}")


def _parts(layer):
    return QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source())


def _origin(layer):
    return f"{layer.providerType()}: {layer.source()[:200]}"


def _is_tiff(path):
    if not Path(path).is_file():
        return False
    with Path(path).open("rb") as file:
        return file.read(4) in _TIFF
