"""What QGIS loads: the provider, and the panel of results, while the plugin is enabled."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QObject, Qt, pyqtSignal
from qgis.PyQt.QtGui import QIcon

from .provider import GeoXmodalProvider

MENU = "geo_xmodal"
_FOLDER = Path(__file__).parent


class GeoXmodalPlugin(QObject):
    """Registers the provider with Processing; with a window, it has the panel "which sensor helped", too.

    Args:
        iface: The window; None in qgis_process.
    """

    trained = pyqtSignal(str)
    """A run is finished, in whichever thread: the panel shows it."""

    def __init__(self, iface):
        super().__init__()
        self._iface = iface
        self.provider = None
        self.dock = None
        self._action = None

    def initProcessing(self):  # noqa: N802 - names that QGIS calls
        """All that qgis_process needs."""
        self.provider = GeoXmodalProvider(self.trained.emit)
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self):  # noqa: N802
        """QGIS has started, or the plugin was enabled."""
        from .dock import TITLE, SensorDock

        self.initProcessing()
        self.dock = SensorDock(self._iface.mainWindow())
        self.dock.hide()
        self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        self.trained.connect(self.dock.show_run)
        self._action = self.dock.toggleViewAction()
        self._action.setIcon(QIcon(str(_FOLDER / "icon.svg")))
        self._action.setText(TITLE.partition(": ")[2].capitalize())
        self._iface.addPluginToMenu(MENU, self._action)

    def unload(self):
        """The plugin was disabled."""
        if self.dock is not None:
            self._iface.removePluginMenu(MENU, self._action)
            self._iface.removeDockWidget(self.dock)
            self.trained.disconnect(self.dock.show_run)
            self.dock.deleteLater()
            self.dock = self._action = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
