"""All chips on one grid: every pixel of every chip has a place of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo_xmodal.chips import MAX_SIDE, ChipsReader, numbers_of, on_grid, open_chips, placed
from geo_xmodal.errors import AlignmentError
from geo_xmodal.raster import Adaptation
from geo_xmodal.types import Window
from tests.chips import sets

SIDE = 12


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ChipsReader:
    folder = sets.fields(tmp_path_factory.mktemp("set"), train=4, test=1, side=SIDE)
    (folder / "msi/a1.png").unlink()
    return ChipsReader(open_chips(folder), "msi", "sar")


def test_a_pixel_tells_its_chip_for_millions_of_them() -> None:
    corners = np.array([[0, 0], [MAX_SIDE - 1, 0], [0, MAX_SIDE - 1], [MAX_SIDE - 1, MAX_SIDE - 1]])
    numbers = [0, 1, 1_023, 1_024, 590_325, 2**24 - 1]
    positions = np.concatenate([placed(number, corners) for number in numbers])
    assert numbers_of(positions).tolist() == np.repeat(numbers, 4).tolist()
    assert len(np.unique(positions, axis=0)) == len(positions)
    assert positions.max() < 2**32  # as far as keys of pixels tell rows and columns


def test_a_window_over_two_chips_holds_both_and_nothing_between(reader: ChipsReader) -> None:
    first, second = (on_grid(number, Window(0, 0, SIDE, SIDE)) for number in (2, 3))
    window = Window(first.row, first.col + 5, SIDE, second.col + 3 - first.col - 5)
    values = reader.read(window)
    chips = reader.chips
    own = [chips.reader(chips.chips[number], "msi").read(Window(0, 0, SIDE, SIDE)) for number in (2, 3)]
    np.testing.assert_array_equal(values[:, :, : SIDE - 5], own[0][:, :, 5:])
    np.testing.assert_array_equal(values[:, :, -3:], own[1][:, :, :3])
    assert np.isnan(values[:, :, SIDE - 5 : -3]).all()


def test_a_chip_without_the_sensor_has_no_data(reader: ChipsReader) -> None:
    assert np.isnan(reader.read(on_grid(1, Window(0, 0, SIDE, SIDE)))).all()


def test_it_is_read_otherwise_and_on_no_other_grid(reader: ChipsReader) -> None:
    window = on_grid(0, Window(2, 3, 4, 5))
    turned = reader.adapted(Adaptation(bands=(2, 0)))
    assert turned.band_names == ("band 3", "band 1")
    np.testing.assert_array_equal(turned.read(window), reader.read(window)[[2, 0]])
    assert turned.identity() != reader.identity()
    assert reader.on(reader.grid) is reader
    with pytest.raises(AlignmentError, match="chips lie on no grid in common"):
        reader.on(reader.grid[:10, :10])


def test_other_values_are_told_from_these(tmp_path: Path) -> None:
    folder = sets.fields(tmp_path, train=2, test=1, side=SIDE)
    before = ChipsReader(open_chips(folder), "sar", "sar").identity()
    assert ChipsReader(open_chips(folder), "sar", "sar").identity() == before
    sets.write(folder / "sar/a1.tif", np.ones((2, SIDE + 1, SIDE), np.float32))
    assert ChipsReader(open_chips(folder), "sar", "sar").identity() != before
