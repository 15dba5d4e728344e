"""The Processing provider and its one setting."""

from __future__ import annotations

from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import SETTING, plain_algorithms
from .algorithms.align import Align
from .algorithms.compare import Compare
from .algorithms.correlate import Correlate
from .algorithms.evaluate import Evaluate
from .algorithms.export import Export
from .algorithms.map import Map
from .algorithms.simulate import Simulate
from .algorithms.train import Train
from .version import plugin_version

_FOLDER = Path(__file__).parent
ALGORITHMS = (Align, Correlate, Train, Map, Evaluate, Compare, Export, Simulate)
"""Those with more to say of their results than where they are."""


class GeoXmodalProvider(QgsProcessingProvider):
    """`geo_xmodal:align`, `geo_xmodal:train`, `geo_xmodal:map` and so on.

    Args:
        trained: Called with the folder of a run that Train has finished, in whichever thread that is.
    """

    def __init__(self, trained):
        super().__init__()
        self.trained = trained

    def id(self):
        """What algorithm ids start with."""
        return "geo_xmodal"

    def name(self):
        """The name in the toolbox."""
        return "geo_xmodal"

    def longName(self):  # noqa: N802 - names that QGIS calls
        """The name with what it is."""
        return "geo_xmodal: land cover across sensors"

    def versionInfo(self):  # noqa: N802
        """The plugin's version."""
        return plugin_version()

    def icon(self):
        """The plugin's icon."""
        return QIcon(str(_FOLDER / "icon.svg"))

    def load(self):
        """Offer the setting and the algorithms."""
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        ProcessingConfig.addSetting(
            Setting(
                self.name(),
                SETTING,
                "Program geo-xmodal, or the folder of its Python environment (empty: found by itself)",
                "",
                valuetype=Setting.STRING,
            )
        )
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self):
        """Take the setting back."""
        ProcessingConfig.removeSetting(SETTING)

    def loadAlgorithms(self):  # noqa: N802
        """All algorithms."""
        for algorithm in (*ALGORITHMS, *plain_algorithms(ALGORITHMS)):
            self.addAlgorithm(algorithm())
