from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from geo_xmodal.simulate import PRESETS
from geo_xmodal.simulate.footprint import Footprint


@given(name=st.sampled_from(sorted(PRESETS)), rows=st.integers(64, 900), cols=st.integers(64, 900))
def test_every_sensor_covers_the_strip_whole_and_no_more_fits(name: str, rows: int, cols: int) -> None:
    footprint = Footprint(PRESETS[name], rows, cols)
    strip, pixel = footprint.strip, footprint.grid.pixel
    grids = [footprint.grid_of(modality) for modality in footprint.preset.modalities.values()]

    def covered(row: int, col: int) -> bool:
        return all(
            grid.top <= row * pixel + 1e-9
            and (row + 1) * pixel <= grid.top + grid.rows * grid.pixel + 1e-9
            and grid.left <= col * pixel + 1e-9
            and (col + 1) * pixel <= grid.left + grid.cols * grid.pixel + 1e-9
            for grid in grids
        )

    last_row, last_col = strip.row + strip.height - 1, strip.col + strip.width - 1
    assert covered(strip.row, strip.col) and covered(last_row, last_col)
    assert not covered(strip.row - 1, strip.col) and not covered(strip.row, strip.col - 1)
    assert not covered(last_row + 1, last_col) and not covered(last_row, last_col + 1)


def test_small_scenes_have_small_districts() -> None:
    districts = [Footprint(PRESETS["berlin"], size, size).layout(0).district for size in (64, 200, 400, 4000)]
    assert districts[0] < districts[1] < districts[2] == districts[3] == 430.0
