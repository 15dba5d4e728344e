from __future__ import annotations

import pytest
import torch

from geo_xmodal.networks import Tiling
from geo_xmodal.types import Window


@pytest.mark.parametrize("tiling", [Tiling(32, 8), Tiling(32, 8, 8), Tiling(32, 0, 16)])
@pytest.mark.parametrize("window", [Window(0, 0, 100, 70), Window(31, 33, 1, 64), Window(-5, 60, 7, 9)])
def test_tiles_cover_a_window_once_in_weight(tiling: Tiling, window: Window) -> None:
    weight = torch.zeros(window.height, window.width)
    for tile in tiling.tiles(window):
        common = tile.common(window)
        assert common is not None
        weight[common.seen_from(window).slices] += tiling.taper()[common.seen_from(tile).slices]
    torch.testing.assert_close(weight, torch.ones_like(weight))


def test_tiles_lie_on_the_grid_s_lattice_whatever_the_window() -> None:
    tiling = Tiling(32, 8, 4)
    assert {one.row % 32 for one in tiling.tiles(Window(50, 7, 100, 100))} == {28}
    assert tiling.image == 32 + 2 * (8 + 4)


def test_what_is_seen_holds_the_image_of_every_tile() -> None:
    tiling, window = Tiling(32, 8, 4), Window(50, 7, 61, 30)
    seen = tiling.seen(window)
    for tile in tiling.tiles(window):
        image = tile.padded(tiling.crop)
        assert image.common(seen) == image
    assert list(tiling.tiles(Window(32, 64, 32, 32))) != [Window(32, 64, 32, 32)]  # neighbours blend into it
    assert list(Tiling(32, 8).tiles(Window(32, 64, 32, 32))) == [Window(32, 64, 32, 32)]
