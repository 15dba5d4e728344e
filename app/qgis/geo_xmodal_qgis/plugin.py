"""What QGIS loads: the provider, while the plugin is enabled."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import GeoXmodalProvider


class GeoXmodalPlugin:
    """Registers the provider with Processing."""

    def __init__(self):
        self.provider = None

    def initProcessing(self):  # noqa: N802 - names that QGIS calls
        """All that qgis_process needs."""
        self.provider = GeoXmodalProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self):  # noqa: N802
        """QGIS has started, or the plugin was enabled."""
        self.initProcessing()

    def unload(self):
        """The plugin was disabled."""
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
