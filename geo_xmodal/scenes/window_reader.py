"""What every source of a sensor's values is to those who read it window by window."""

from __future__ import annotations

from typing import Protocol

from odc.geo.geobox import GeoBox

from geo_xmodal.types import FloatArray, Kind, Window


class WindowReader(Protocol):
    """A target sensor on a grid: `geo_xmodal.scenes.reader.AlignedReader`, or anything like it.

    It must be picklable and, to be told from another when a map is resumed, a dataclass whose fields say all
    that its values depend on.
    """

    @property
    def grid(self) -> GeoBox:
        """The grid that is mapped."""

    @property
    def kind(self) -> Kind:
        """What the sensor measures; `other` where nobody said."""

    @property
    def band_names(self) -> tuple[str, ...]:
        """One name a band."""

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN where there is no data or no grid."""
