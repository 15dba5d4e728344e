"""QGIS plugin of geo_xmodal: a Processing provider that calls the `geo-xmodal` command.

Nothing of geo_xmodal is imported into QGIS: PyQGIS and the standard library are all it needs.
"""


def classFactory(iface):  # noqa: N802 - the name that QGIS calls
    """The plugin, as QGIS asks for it; `iface` is None in qgis_process."""
    from .plugin import GeoXmodalPlugin

    return GeoXmodalPlugin(iface)
