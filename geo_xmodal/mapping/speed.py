"""How fast a map comes about, and what that says of the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

from geo_xmodal.mapping.layers import WindowSums
from geo_xmodal.types import Window

_NO_DATA = 0


class Speed:
    """Pixels done in this run, and the time that the others take at most.

    Windows without data cost next to nothing, and say nothing of those that hold some: neither they nor
    their time count. Nobody knows what the windows left hold: all of them are taken to hold data.

    Args:
        total: Pixels to do in this run.
        clock: Seconds, ever growing.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.pixels = 0
        self._total = total
        self._clock = clock
        self._last = clock()
        self._computed_pixels, self._computing_seconds = 0, 0.0

    def after(self, window: Window, sums: WindowSums) -> str:
        """A line that tells how it stands, once a window is done."""
        now = self._clock()
        pixels = window.height * window.width
        with_data = pixels - int(sums.pixels[_NO_DATA])
        self.pixels += pixels
        if with_data:
            self._computed_pixels += with_data
            self._computing_seconds += now - self._last
        self._last = now
        if not self._computed_pixels:
            return "no data so far"
        speed = self._computed_pixels / max(self._computing_seconds, 1e-9)
        minutes, seconds = divmod(round((self._total - self.pixels) / speed), 60)
        return f"{speed / 1e6:.2f} Mpixel/s, at most {minutes}:{seconds:02d} left"
