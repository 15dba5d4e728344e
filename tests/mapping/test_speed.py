from __future__ import annotations

import numpy as np

from geo_xmodal.mapping.layers import WindowSums
from geo_xmodal.mapping.speed import Speed
from geo_xmodal.types import Window

SIDE = 1000
PIXELS = SIDE * SIDE
WINDOW = Window(0, 0, SIDE, SIDE)


def sums(missing: int) -> WindowSums:
    pixels = np.zeros(256, np.int64)
    pixels[0], pixels[3] = missing, PIXELS - missing
    return WindowSums(pixels, *np.zeros((2, 256), np.int64))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_tells_pixels_a_second_and_the_time_left() -> None:
    clock = Clock()
    speed = Speed(4 * PIXELS, clock)
    clock.now = 50
    assert speed.after(WINDOW, sums(0)) == "0.02 Mpixel/s, at most 2:30 left"
    clock.now = 150
    assert speed.after(WINDOW, sums(0)) == "0.01 Mpixel/s, at most 2:30 left"
    assert speed.pixels == 2 * PIXELS


def test_windows_without_data_do_not_make_it_hopeful() -> None:
    """An empty half that takes a second, then windows of 10 s each: 10 s each is what is told."""
    clock = Clock()
    speed = Speed(200 * PIXELS, clock)
    for _ in range(100):
        clock.now += 0.01
        assert speed.after(WINDOW, sums(PIXELS)) == "no data so far"
    clock.now += 10
    assert speed.after(WINDOW, sums(0)) == "0.10 Mpixel/s, at most 16:30 left"
    clock.now += 0.01
    assert speed.after(WINDOW, sums(PIXELS)) == "0.10 Mpixel/s, at most 16:20 left"


def test_half_a_window_counts_half() -> None:
    clock = Clock()
    speed = Speed(2 * PIXELS, clock)
    clock.now = 5
    assert speed.after(WINDOW, sums(PIXELS // 2)) == "0.10 Mpixel/s, at most 0:10 left"
