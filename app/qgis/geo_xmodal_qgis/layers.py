"""Layers as files that the command can read, and what to do about those that it cannot."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingException, QgsProviderRegistry, QgsRasterLayer, QgsVectorLayer

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_VECTORS = (".gpkg", ".geojson", ".json")


def raster_file(layer, what):
    """The GeoTIFF of a raster layer.

    Raises:
        QgsProcessingException: It is no GeoTIFF on this computer, or does not say where it lies.
    """
    path = _parts(layer).get("path") or ""
    if layer.providerType() != "gdal" or not _is_tiff(path):
        raise _refused(
            layer,
            what,
            f"is no GeoTIFF file on this computer ({_origin(layer)}): save it with Export > Save As... as "
            "raw data in GeoTIFF format, and choose that file",
        )
    if not layer.dataProvider().crs().isValid():
        raise _refused(
            layer,
            what,
            f"has no coordinate reference system in its file ({path}), so nobody knows where it lies: write "
            "it into the file with Raster > Projections > Assign Projection..., then load the layer again",
        )
    return path


def label_file(layer, column, what):
    """Labels as the command takes them: `FILE` of a raster, `FILE:COLUMN` or `FILE:LAYER:COLUMN` of a vector.

    Raises:
        QgsProcessingException: It is no file that the command reads.
    """
    if isinstance(layer, QgsRasterLayer):
        return raster_file(layer, what)
    if not isinstance(layer, QgsVectorLayer):
        raise _refused(layer, what, "is neither raster nor vector: choose a label raster or polygons")
    place = _vector_place(layer, what)
    if not column:
        columns = ", ".join(layer.fields().names())
        raise _refused(layer, what, f"has the classes in one of its columns: choose which ({columns})")
    return ":".join((*place, column))


def area_file(layer, what):
    """An area as the command takes it: `FILE` or `FILE:LAYER`.

    Raises:
        QgsProcessingException: It is no file that the command reads.
    """
    return ":".join(_vector_place(layer, what))


def _vector_place(layer, what):
    """The file of a vector layer, and its name in a file that may have several."""
    parts = _parts(layer)
    path = parts.get("path") or ""
    save = "save it with Export > Save Features As... as GeoPackage"
    if layer.providerType() != "ogr" or not Path(path).is_file() or not path.lower().endswith(_VECTORS):
        origin = _origin(layer)
        problem = (
            f"is no GeoPackage or GeoJSON file on this computer ({origin}): {save}, and choose that file"
        )
    elif not layer.crs().isValid():
        problem = f"has no coordinate reference system: {save} in the one that it is in, and choose that file"
    elif layer.subsetString():
        shown = layer.subsetString()
        problem = f"is filtered ({shown}), but the command reads the whole file: {save}, or remove the filter"
    elif layer.isModified():
        problem = "has edits that are not saved: save or discard them first"
    else:
        return tuple(filter(None, (path, parts.get("layerName"))))
    raise _refused(layer, what, problem)


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
