"""What a model sees of a window: its values, with as much around them as it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from geo_xmodal.mapping.area import AreaReader
from geo_xmodal.raster import WindowReader
from geo_xmodal.types import FloatArray, Window

if TYPE_CHECKING:
    from geo_xmodal.networks import Tiling

TILE = 64
"""Side of the tiles that a window is computed in, unless the network asks for others: their activations stay
in the processor's cache."""


class Looking(Protocol):
    """A `PixelModel`, or a `Classifier`."""

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at."""

    @property
    def tiling(self) -> Tiling | None:
        """Tiles that it maps in, where a prediction depends on its tile."""


def scene_window(reader: WindowReader, window: Window) -> Window:
    """A window on the grid that an area was cut from: tiles are counted there; of other readers itself."""
    if isinstance(reader, AreaReader):
        return scene_window(reader.inner, window.moved(reader.frame.row, reader.frame.col))
    return window


def seen_window(model: Looking, place: Window) -> Window:
    """What a model sees of a window, both on the scene's grid."""
    return place.padded(model.margin) if model.tiling is None else model.tiling.seen(place)


def read_seen(model: Looking, reader: WindowReader, window: Window) -> FloatArray:
    """Raw values (band, row, col) of a window with what is around it, as `Classifier.classify` takes them.

    Raises:
        RasterError: The input cannot be read.
    """
    if model.tiling is None:
        return reader.read(window, model.margin)
    place = scene_window(reader, window)
    return reader.read(model.tiling.seen(place).moved(window.row - place.row, window.col - place.col))
